"""Training and prediction at sizes that do not fit one machine."""

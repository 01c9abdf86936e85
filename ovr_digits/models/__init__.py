"""models.pkl: ten detectors in one file, read without running anything in it."""

"""Where labelled digits come from, and where they are kept."""

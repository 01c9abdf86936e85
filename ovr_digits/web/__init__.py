"""The page to draw on, in one file or with a service behind it, which needs the extra ``web``."""

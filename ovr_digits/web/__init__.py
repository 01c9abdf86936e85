"""The page to draw on and the service behind it; needs the extra ``web``."""

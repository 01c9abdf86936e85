"""From labelled images to ten detectors."""

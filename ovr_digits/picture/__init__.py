"""From a picture file to digits in MNIST form, and what the detectors answer."""

"""What people look at: plots, pages of HTML, and what is inside the detectors."""

"""Measurements of training and prediction on more digits than fit into memory."""

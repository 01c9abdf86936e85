"""The mathematics as plain functions of NumPy arrays: features, scores and the vote."""

"""Labelled or unlabelled digits from files of any number, in pieces that fit into memory."""

"""Measures ovr-digits beside other ways to read digits: ``python -m benchmarks``."""

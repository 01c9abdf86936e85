"""Programs that try what should not happen: ``python -m benchmarks.robustness.NAME``."""

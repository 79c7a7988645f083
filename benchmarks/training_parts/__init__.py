"""The measurements of `benchmarks/training.py`."""

"""The arithmetic of `benchmarks/scaling.py`."""

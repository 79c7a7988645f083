"""The measurements of `benchmarks/serving.py`."""

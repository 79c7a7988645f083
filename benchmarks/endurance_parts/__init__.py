"""The measurements of `benchmarks/endurance.py`."""

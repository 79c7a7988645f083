"""The measurements of `benchmarks/importing.py`."""

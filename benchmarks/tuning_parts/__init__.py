"""What `benchmarks/tuning.py` is made of."""

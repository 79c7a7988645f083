"""Training on more than fits into memory: rows come from shards as a stream, and frozen layers run in every step."""

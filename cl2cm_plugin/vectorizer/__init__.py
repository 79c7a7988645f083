"""The HTTP service that Weaviate's modules call for vectors."""

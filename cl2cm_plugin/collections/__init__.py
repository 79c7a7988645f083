"""Weaviate collections of captioned media: start or find a server, create, import, search."""

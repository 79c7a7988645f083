"""Vectors of whole collections in bulk, with Ray Data: for what is too large to be encoded request by request."""

"""The vectorizer's tests; a package so that they can share their fake engine."""

"""The demo: one road from Python packages to search in a language in which nobody captioned a picture."""

"""Losses as pure functions of tensors, one file each, with the source of every formula."""

"""Subcommands."""


def register(subparsers) -> None:
    """Register."""

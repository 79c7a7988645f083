"""The subcommands of ``cl2cm`` that a deployment needs, one module a job; `add_command` is for every package."""

from __future__ import annotations

import argparse


def add_command(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    short: str,
    description: str,
    examples: str = "",
) -> argparse.ArgumentParser:
    """Add a subcommand whose help keeps the line breaks of its texts.

    Args:
        subparsers: What ``argparse.ArgumentParser.add_subparsers`` returned.
        name: The subcommand.
        short: One line for the list of subcommands.
        description: What it does.
        examples: What stands below the options.

    Returns:
        The subcommand's parser.
    """
    return subparsers.add_parser(
        name,
        help=short,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

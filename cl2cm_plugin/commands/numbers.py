"""Numbers that options take; one that is refused is named with its option."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """Read a whole number from 1 on."""
    return _whole(text, 1)


def natural(text: str) -> int:
    """Read a whole number from 0 on."""
    return _whole(text, 0)


def gpu_share(text: str) -> float:
    """Read what one process takes of a GPU: nothing, a share, or all of it."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 0, 1, nor a share of one GPU, as 0.5")
    return number


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
    return number

"""Which machine this is."""

from __future__ import annotations

from cl2cm_plugin.vectorizer.cores import visible
from trainer.reproduction.results import machine


def cores() -> int:
    """How many cores there are to compute with."""
    return visible()


def name() -> str:
    """The processor, and how many cores."""
    return machine()

"""Short names for long contents."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def digest(lines: Iterable[str]) -> str:
    """Hash lines of text to 16 hexadecimal digits."""
    hashed = sha256()
    for line in lines:
        hashed.update(line.encode() + b"\n")
    return hashed.hexdigest()[:16]

"""How figures, values and names of a search are written for people, in the terminal and in reports."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import Any

_WORDS = {None: "none", True: "true", False: "false"}


def figure(value: float) -> str:
    """Write a figure; a missing one as a dash."""
    return "-" if math.isnan(value) else f"{value:.1f}"


def duration(seconds: float) -> str:
    """Write seconds as hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))


def counted(number: int, thing: str) -> str:
    """Write how many of a thing there are."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def values(chosen: dict[str, Any]) -> str:
    """Write chosen values, each with as much of its name as is needed to tell it from the others."""
    names = short_names(list(chosen))
    return ", ".join(f"{names[name]} {shown(value)}" for name, value in chosen.items())


def short_names(names: list[str]) -> dict[str, str]:
    """Shorten dotted names to their last parts, as many as make them different."""
    found = {}
    for name in names:
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            end = ".".join(parts[-length:])
            if sum(other == end or other.endswith(f".{end}") for other in names) == 1:
                break
        found[name] = end
    return found


def shown(value: Any) -> str:
    """Write a value in few characters: a number, a word, or the part of a recipe whose JSON a search knows it by."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    if isinstance(value, dict):
        return _part(value)
    if isinstance(value, list):
        return ", ".join(shown(one) for one in value) or "none"
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _part(lines: dict[str, Any]) -> str:
    """Write a part of a recipe: its form first, as ``transport (weight 0.1)``."""
    form = lines.get("form")
    # YAML reads a bare off as false.
    words = [] if form is None else ["off" if form is False else str(form)]
    others = ", ".join(f"{name} {shown(value)}" for name, value in lines.items() if name != "form")
    return " ".join([*words, *([f"({others})"] if others else [])]) or "none"

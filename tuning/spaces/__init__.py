"""Spaces in YAML, checked before a search starts; shipped ones are found by name."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cl2cm_plugin.errors import UserError
from tuning.space import Space
from tuning.space_check import check, sentences


def shipped() -> list[str]:
    """Name the spaces that come with the package."""
    return sorted(Path(entry.name).stem for entry in files("tuning.spaces").iterdir() if entry.name.endswith(".yaml"))


def load(name_or_file: str, **changes: Any) -> Space:
    """Read a space and check it, with the recipes at its borders.

    Args:
        name_or_file: A shipped space by name, or a YAML file.
        **changes: Values that replace the space's own; None leaves it.

    Raises:
        UserError: There is no such space, or something in it is wrong; the message names every wrong place.
    """
    try:
        values = yaml.safe_load(_text(name_or_file))
    except yaml.YAMLError as error:
        raise UserError(f"The space {name_or_file} is not YAML: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"The space {name_or_file} must be a mapping of names to values.")
    values.update({key: value for key, value in changes.items() if value is not None})
    try:
        space = Space.model_validate(values)
    except ValidationError as error:
        raise UserError(f"The space {name_or_file} is wrong: {sentences(error)}.") from None
    check(space, name_or_file)
    return space


def _text(name_or_file: str) -> str:
    if name_or_file in shipped():
        return files("tuning.spaces").joinpath(f"{name_or_file}.yaml").read_text(encoding="utf-8")
    file = Path(name_or_file)
    if not file.is_file():
        raise UserError(f"There is no space {name_or_file!r}: it is no file, and shipped are {', '.join(shipped())}.")
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The space {name_or_file} cannot be read: {error}.") from None

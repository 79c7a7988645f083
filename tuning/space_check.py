"""What a space says is tried out before anything starts: lines, values at their borders, objectives, confirmation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from cl2cm_plugin.errors import UserError
from tuning.objectives import language_of
from tuning.parameters import Parameter, Range, label

if TYPE_CHECKING:
    from trainer.recipe import Recipe
    from tuning.space import Space

# Trials that differ in these are judged by different pictures or captions, or differ by chance or in nothing.
_NOT_COMPARABLE = {
    *("name", "seed", "compute"),
    *("split", "dev_pictures", "source_language", "target_languages", "transfer_languages", "origins", "noise"),
}
_PLAIN = {
    "extra_forbidden": "there is no such line",
    "missing": "it is missing",
    "too_short": "it is empty",
    "list_type": "write a list",
    "dict_type": "write names and values",
    "model_type": "write names and values",
}


def check(space: Space, name: str) -> None:
    """Try the base recipe, every parameter at its borders, and the recipes that the best are confirmed with.

    Args:
        space: The space.
        name: What messages call it.

    Raises:
        UserError: Something does not go together; the message names every parameter that is wrong.
    """
    try:
        base = space.recipe_of({})
    except ValidationError as error:
        raise UserError(f"The space {name} has a wrong base recipe: {sentences(error)}.") from None
    if not base.dev_pictures:
        raise UserError(
            f"The space {name} has nothing to judge its trials by: put `dev_pictures: 500` among its changes."
        )
    known = [base.source_language, *base.target_languages]
    for objective in space.objectives:
        language = language_of(objective)
        if language is not None and language not in known:
            raise UserError(f"The space {name} aims at {objective}, but its recipe learns from {', '.join(known)}.")
    found = (_parameter(space, base, line, parameter) for line, parameter in space.parameters.items())
    # Parameters are tried with the confirmation's lines, too: where these are wrong themselves, they alone are named.
    wrong = _confirmation(space) or "; ".join(sentence for sentence in found if sentence)
    if wrong:
        raise UserError(f"The space {name} is wrong: {wrong}.")


def sentences(error: ValidationError) -> str:
    """Say every place of a space or a recipe that is wrong, with its dotted name."""
    said = []
    for found in error.errors():
        place = [str(step) for step in found["loc"]]
        if place[:1] == ["parameters"]:
            # Pydantic names the kind of parameter as well.
            del place[2:3]
        message = _PLAIN.get(found["type"], found["msg"].removeprefix("Value error, "))
        said.append(": ".join(part for part in (".".join(place), message) if part))
    return "; ".join(said)


def _parameter(space: Space, base: Recipe, line: str, parameter: Parameter) -> str:
    """Say what is wrong with a parameter; nothing if nothing is."""
    if line.split(".")[0] in _NOT_COMPARABLE:
        return f"{line} cannot be searched, since its trials could not be compared: give it one value in changes"
    if unknown := _unknown(base, line):
        return unknown
    for value in parameter.extremes:
        for place, changes in (("", {}), (" in confirm", space.confirm.changes)):
            if error := _refusal(space, {line: label(value)}, changes):
                said = json.dumps(value, ensure_ascii=False)
                return f"{line} = {said} makes a wrong recipe{place} ({sentences(error)})"
    return _kind_of_number(space, line, parameter) if isinstance(parameter, Range) else ""


def _unknown(base: Recipe, line: str) -> str:
    """Say why the base recipe has no such line; nothing if it has."""
    place: Any = base
    steps = line.split(".")
    for depth, step in enumerate(steps):
        whole = ".".join(steps[:depth]) or "a recipe"
        if not isinstance(place, BaseModel):
            there = "empty" if place is None else place
            return f"{line} is no line of the base recipe, where {whole} is {there}: change {whole} in changes first"
        if step not in type(place).model_fields:
            form, lines = getattr(place, "form", None), ", ".join(type(place).model_fields)
            has = f"{whole} ({form}) has {lines}" if form else f"{whole} has {lines}"
            return f"{line} is no line of the base recipe, where {has}"
        place = getattr(place, step)
    return ""


def _kind_of_number(space: Space, line: str, parameter: Range) -> str:
    """Say whether whole numbers meet a line of any numbers, or the reverse."""
    error = _refusal(space, {line: parameter.fraction}, {})
    takes_whole_alone = error is not None and any(found["type"] == "int_from_float" for found in error.errors())
    if takes_whole_alone and not parameter.is_whole:
        return f"{line} takes whole numbers alone: write from, to and step without a point"
    if error is None and parameter.is_whole and parameter.step is None:
        low, high = float(parameter.low), float(parameter.high)
        return f"{line} takes any number: write from: {low} and to: {high}, or step: 1 for whole numbers alone"
    return ""


def _confirmation(space: Space) -> str:
    if error := _refusal(space, {}, space.confirm.changes):
        return f"confirm.changes make a wrong recipe ({sentences(error)})"
    if not space.recipe_of({}, space.confirm.changes).dev_pictures:
        return "confirm.changes leave nothing to choose the winner by: keep dev_pictures"
    return ""


def _refusal(space: Space, chosen: dict[str, Any], changes: dict[str, Any]) -> ValidationError | None:
    try:
        space.recipe_of(chosen, changes)
    except ValidationError as error:
        return error
    return None

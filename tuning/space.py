"""A search space: a base recipe, and the lines of it that a search may change, in YAML, checked before it starts.

Shipped spaces are found by name.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Discriminator, Field, Tag, ValidationError, model_validator

from cl2cm_plugin.errors import UserError
from trainer import recipe as recipes
from trainer.recipe import Recipe
from trainer.recipe_forms import Strict
from tuning.task import SUM_R, TEXTS_PER_SECOND


class Range(Strict):
    """Numbers between two bounds, both included; whole numbers where both bounds are."""

    low: int | float = Field(alias="from")
    high: int | float = Field(alias="to")
    scale: Literal["linear", "log"] = "linear"
    """``log`` gives every order of magnitude the same weight."""
    step: int | float | None = Field(None, gt=0)
    """Only every so many; all where left out."""

    @model_validator(mode="after")
    def _holds_something(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"the range from {self.low} to {self.high} is empty: from must be smaller than to")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"a range on the scale log starts above 0, not at {self.low}")
        if self.scale == "log" and self.step:
            raise ValueError("a range on the scale log has no step")
        return self

    @property
    def extremes(self) -> list[Any]:
        """The values that a recipe is checked with."""
        return [self.low, self.high]

    def holds(self, value: Any) -> bool:
        """Whether a value is between the bounds."""
        return isinstance(value, int | float) and self.low <= value <= self.high

    @property
    def distribution(self) -> Any:
        """The range as Optuna takes it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        log = self.scale == "log"
        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, log=log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=log, step=self.step)


class Choices(Strict):
    """Any values that the line takes: numbers, words, or whole parts of a recipe."""

    choices: list[Any] = Field(min_length=2)

    @property
    def extremes(self) -> list[Any]:
        """The values that a recipe is checked with."""
        return self.choices

    @property
    def distribution(self) -> Any:
        """The choices as Optuna takes them: values that are no scalars in their JSON."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution([_label(choice) for choice in self.choices])


Parameter = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")],
    Discriminator(lambda value: "choices" if isinstance(value, Choices) or "choices" in value else "range"),
]


class Pruning(Strict):
    """Asynchronous successive halving (ASHA): what is behind at a rung stops there."""

    grace: int = Field(34, gt=0, lt=100)
    """Percent of its run that every trial may go, each phase of a run counted alike."""
    factor: float = Field(3, gt=1)
    """Of so many trials that reach a rung one goes on; each rung is so many times as far as the one before."""


class Confirmation(Strict):
    """How the best trials are trained in full, before one of them is the winner."""

    changes: dict[str, Any] = Field(default_factory=dict)
    """Lines that differ from the search's, by dotted name."""
    seeds: list[int] = Field([0], min_length=1)


class Space(Strict):
    """What a search may try."""

    title: str
    recipe: str
    """A shipped recipe by name, or a YAML file."""
    changes: dict[str, Any] = Field(default_factory=dict)
    """Lines of the recipe that differ in every trial, by dotted name; `dev_pictures` are what trials are judged by."""
    parameters: dict[str, Parameter] = Field(min_length=1)
    """What the search chooses, by dotted name of the recipe's line."""
    objectives: list[str] = Field([SUM_R], min_length=1)
    """What is to be high: ``sum_r`` (mean over the target languages), ``sum_r.<language>``, ``texts_per_second``.
    Several give a Pareto front; pruning goes by the first."""
    trials: int = Field(32, ge=1)
    seed: int = Field(0, ge=0, lt=2**32)
    """Seeds the sampler; the recipe's own seed is the same in every trial."""
    pruning: Pruning | None = Pruning()
    trial_seconds: float | None = Field(None, gt=0)
    """A trial that takes longer is stopped, and keeps the figure that it has."""
    confirm: Confirmation = Confirmation()

    @model_validator(mode="after")
    def _parts_fit(self) -> Space:
        names = sorted(self.parameters)
        for name in names:
            whole = next((other for other in names if name.startswith(f"{other}.")), None)
            if whole:
                raise ValueError(f"{whole} and {name} are both searched: choose the whole part, or lines of it")
        known = {SUM_R, TEXTS_PER_SECOND}
        for objective in self.objectives:
            if objective not in known and not objective.startswith(f"{SUM_R}."):
                raise ValueError(f"{objective!r} is no objective: sum_r, sum_r.<language> or texts_per_second")
        if self.objectives[0] == TEXTS_PER_SECOND:
            raise ValueError("speed alone is no aim, and pruning goes by the first objective: put sum_r before it")
        return self

    def values(self, chosen: dict[str, Any], changes: dict[str, Any] | None = None) -> dict[str, Any]:
        """Put the recipe of a trial together, not checked yet.

        Args:
            chosen: Values of parameters by name, as Optuna gives them.
            changes: Further lines that differ.
        """
        values = recipes.values_of(self.recipe)
        decoded = {name: self._decoded(name, value) for name, value in chosen.items()}
        return recipes.changed(values, {**self.changes, **decoded, **(changes or {})})

    def recipe_of(self, chosen: dict[str, Any], changes: dict[str, Any] | None = None) -> Recipe:
        """Put the recipe of a trial together.

        Args:
            chosen: Values of parameters by name, as Optuna gives them; what is left out is the base recipe's.
            changes: Further lines that differ.

        Raises:
            ValidationError: They do not go together.
        """
        return Recipe.model_validate(self.values(chosen, changes))

    def defaults(self) -> dict[str, Any]:
        """What the base recipe has for the parameters, as Optuna takes it; those outside their range are left out."""
        base = self.recipe_of({})
        found: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if isinstance(parameter, Choices):
                known = [_label(choice) for choice in parameter.choices]
                found.update((name, label) for label in known if self.recipe_of({name: label}) == base)
            elif parameter.holds(value := _line(base.model_dump(), name)):
                found[name] = value
        return found

    def _decoded(self, name: str, value: Any) -> Any:
        parameter = self.parameters[name]
        if isinstance(parameter, Choices):
            return next(choice for choice in parameter.choices if _label(choice) == value)
        return value


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
        raise UserError(f"The space {name_or_file} is wrong: {recipes.sentences(error)}.") from None
    _check_recipes(space, name_or_file)
    return space


def _check_recipes(space: Space, name: str) -> None:
    """Try the base recipe, and every parameter at its borders."""
    tried = [("changes", {}), *((line, {line: _label(v)}) for line, p in space.parameters.items() for v in p.extremes)]
    wrong = []
    for place, chosen in tried:
        try:
            recipe = space.recipe_of(chosen)
        except ValidationError as error:
            value = f" = {next(iter(chosen.values()))}" if chosen else ""
            wrong.append(f"{place}{value} makes a wrong recipe ({recipes.sentences(error)})")
    if wrong:
        raise UserError(f"The space {name} is wrong: {'; '.join(wrong)}.")
    if not recipe.dev_pictures:
        raise UserError(
            f"The space {name} has nothing to judge its trials by: put `dev_pictures: 500` among its changes."
        )
    for objective in space.objectives:
        language = objective.removeprefix(f"{SUM_R}.")
        if language != objective and language not in recipe.languages:
            raise UserError(f"The space {name} aims at {objective}, but its recipe has {', '.join(recipe.languages)}.")


def _text(name_or_file: str) -> str:
    if name_or_file in shipped():
        return files("tuning.spaces").joinpath(f"{name_or_file}.yaml").read_text(encoding="utf-8")
    file = Path(name_or_file)
    if file.is_file():
        return file.read_text(encoding="utf-8")
    raise UserError(f"There is no space {name_or_file!r}: it is no file, and shipped are {', '.join(shipped())}.")


def _label(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value, sort_keys=True)


def _line(values: dict[str, Any], name: str) -> Any:
    place: Any = values
    for step in name.split("."):
        place = place.get(step) if isinstance(place, dict) else None
    return place

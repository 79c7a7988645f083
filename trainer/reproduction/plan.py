"""The runs behind a table: a base recipe, and for each run the lines in which it differs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import Field, ValidationError, model_validator

from cl2cm_plugin.errors import UserError
from trainer import recipe as recipes
from trainer.language_recipe import LanguageAddition
from trainer.recipe import Recipe
from trainer.recipe_forms import Strict

if TYPE_CHECKING:
    from collections.abc import Iterator


class Addition(Strict):
    """Languages added to the model of another system, without its pictures."""

    to: str
    """The system."""
    languages: list[str] = Field(min_length=1)
    settings: LanguageAddition = LanguageAddition()
    """As `cl2cm add-language` takes them."""


class PlannedRuns(Strict):
    """One system, trained once a seed."""

    label: str
    """How the report calls it."""
    seeds: list[int] = Field([0])
    changes: dict[str, Any] = Field(default_factory=dict)
    """Lines of the base recipe that differ, by dotted name."""
    adds: Addition | None = None
    """Adds languages to another system's model instead of training one."""
    quick: bool = False
    """Whether the quick reproduction has it, with its first seed."""

    @model_validator(mode="after")
    def _one_recipe(self) -> PlannedRuns:
        if self.adds and self.changes:
            raise ValueError(f"a run that adds to {self.adds.to} has its recipe: leave out changes")
        return self


class Curve(Strict):
    """How SumR follows something that grows, one line a method."""

    along: str
    """What grows."""
    language: str
    """Of the queries."""
    lines: dict[str, dict[float, str]] = Field(min_length=1)
    """By method: the systems by how much of it they had."""


class Plan(Strict):
    """All runs of a report."""

    title: str
    gallery: str
    """The split that figures are reported on."""
    languages: list[str]
    """Languages of the queries."""
    base: dict[str, Any]
    """The base recipe."""
    quick: dict[str, Any] = Field(default_factory=dict)
    """Lines of the base recipe that the quick reproduction changes, by dotted name."""
    runs: dict[str, PlannedRuns]
    tables: dict[str, list[str]]
    """The systems of each table by its title; the first is compared with all others."""
    curves: dict[str, Curve] = Field(default_factory=dict)
    """Curves by their title."""

    @model_validator(mode="after")
    def _systems_are_shown(self) -> Plan:
        in_tables = {name for table in self.tables.values() for name in table}
        in_curves = {name for curve in self.curves.values() for line in curve.lines.values() for name in line.values()}
        if unknown := (in_tables | in_curves) - set(self.runs):
            raise ValueError(
                f"tables or curves show systems that the plan does not train: {', '.join(sorted(unknown))}"
            )
        if hidden := set(self.runs) - in_tables:
            raise ValueError(f"no table shows {', '.join(sorted(hidden))}")
        return self

    @model_validator(mode="after")
    def _additions_have_a_start(self) -> Plan:
        for name, planned in self.runs.items():
            if planned.adds and (planned.adds.to not in self.runs or self.runs[planned.adds.to].adds):
                raise ValueError(f"the run {name} adds to a system that the plan does not train")
        return self


@dataclass(frozen=True)
class PlannedRun:
    """One run.

    Attributes:
        name: Name of the system.
        planned: What the plan says of it.
        recipe: The complete recipe; of a run that adds languages that of the system that it adds to.
    """

    name: str
    planned: PlannedRuns
    recipe: Recipe

    @property
    def title(self) -> str:
        """Name and seed."""
        return f"{self.name}, seed {self.recipe.seed}"

    @property
    def facts(self) -> dict[str, Any]:
        """What the run's result says of it: the recipe, and what was added."""
        added = {"adds": self.planned.adds.model_dump(exclude={"settings": {"compute"}})} if self.planned.adds else {}
        return {**self.recipe.model_dump(exclude={"compute"}), **added}


def load(name: str) -> Plan:
    """Read a plan that comes with the package.

    Args:
        name: Its name, for example ``cl2cm``.

    Returns:
        The plan.

    Raises:
        UserError: There is no such plan.
    """
    file = files("trainer.reproduction").joinpath(f"{name}.yaml")
    if not file.is_file():
        raise UserError(f"There is no plan {name!r} to reproduce.")
    return Plan.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))


def runs(plan: Plan, quick: bool = False) -> Iterator[PlannedRun]:
    """List the runs of a plan, first seeds first, so that a report that is not complete has every system once.

    Args:
        plan: The plan.
        quick: Only the headline, with one seed and smaller settings.

    Yields:
        The runs in the order in which they should be made.

    Raises:
        UserError: A run's recipe is wrong.
    """
    chosen = {name: planned for name, planned in plan.runs.items() if planned.quick or not quick}
    turns = max(len(planned.seeds) for planned in chosen.values())
    for turn in range(1 if quick else turns):
        for name, planned in chosen.items():
            if turn < len(planned.seeds):
                own = plan.runs[planned.adds.to].changes if planned.adds else planned.changes
                changes = {**(plan.quick if quick else {}), **own}
                yield _run(plan, name, planned, {**changes, "seed": planned.seeds[turn]})


def _run(plan: Plan, name: str, planned: PlannedRuns, changes: dict[str, Any]) -> PlannedRun:
    try:
        return PlannedRun(name, planned, Recipe.model_validate(recipes.changed(plan.base, changes)))
    except ValidationError as error:
        raise UserError(f"The run {name} of the plan has a wrong recipe: {error}") from None

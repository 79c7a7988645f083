"""A search space: a base recipe, and the lines of it that a search may change."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from trainer import recipe as recipes
from trainer.recipe import Recipe
from trainer.recipe_forms import Strict
from tuning.objectives import FORM, is_known
from tuning.parameters import Choices, Parameter, label
from tuning.task import SUM_R, TEXTS_PER_SECOND


class Pruning(Strict):
    """Asynchronous successive halving (ASHA): what is behind at a rung stops there."""

    grace: int = Field(34, gt=0, lt=100)
    """Percent of its run that every trial may go, each phase of a run counted alike."""
    factor: float = Field(3, ge=1.1)
    """Of so many trials that reach a rung one goes on; each rung is so many times as far as the one before."""


class Confirmation(Strict):
    """How the best trials are trained in full, before one of them is the winner."""

    changes: dict[str, Any] = Field(default_factory=dict)
    """Lines that differ from the search's, by dotted name."""
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field([0], min_length=1)
    """Seeds of the recipe, each a run of its own."""

    @model_validator(mode="after")
    def _seeds_differ(self) -> Confirmation:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a seed is there twice: its runs would be the same")
        if "seed" in self.changes:
            raise ValueError("the seed is not among the changes: list it in seeds")
        return self


class Space(Strict):
    """What a search may try."""

    title: str
    recipe: dict[str, Any]
    """A shipped recipe by name, a YAML file, or its lines; the lines are what is kept, so a file may change later."""
    changes: dict[str, Any] = Field(default_factory=dict)
    """Lines of the recipe that differ in every trial, by dotted name; `dev_pictures` are what trials are judged by."""
    parameters: dict[str, Parameter] = Field(min_length=1)
    """What the search chooses, by dotted name of the recipe's line."""
    objectives: list[str] = Field([SUM_R], min_length=1)
    """What is to be good on the dev cut: ``sum_r`` (mean over the target languages), ``sum_r.<language>``, in the same
    way R@k and median rank of a direction (``text_to_image.r1``), and ``texts_per_second``. Several give a Pareto
    front; pruning goes by the first."""
    trials: int = Field(32, ge=1)
    seed: int = Field(0, ge=0, lt=2**32)
    """Seeds the sampler; the recipe's own seed is the same in every trial."""
    sampler: Literal["tpe", "random"] = "tpe"
    """Tree-structured Parzen estimators (Optuna's usual), or at random, to compare with."""
    pruning: Pruning | None = Pruning()
    trial_seconds: float | None = Field(None, gt=0)
    """A trial that takes longer is stopped, and keeps the figure that it has."""
    confirm: Confirmation = Confirmation()

    @field_validator("recipe", mode="before")
    @classmethod
    def _lines(cls, recipe: Any) -> Any:
        return recipes.values_of(recipe) if isinstance(recipe, str) else recipe

    @field_validator("pruning", mode="before")
    @classmethod
    def _off(cls, pruning: Any) -> Any:
        """YAML reads a bare off as false."""
        return None if pruning is False else pruning

    @model_validator(mode="after")
    def _parts_fit(self) -> Space:
        for name in self.parameters:
            if whole := next((other for other in self.parameters if name.startswith(f"{other}.")), None):
                raise ValueError(f"{whole} and {name} are both searched: choose the whole part, or lines of it")
            if changed := next((line for line in self.confirm.changes if _overlap(line, name)), None):
                raise ValueError(
                    f"confirm.changes sets {changed}, but the search chooses {name}: leave one of them out"
                )
        return self

    @field_validator("objectives")
    @classmethod
    def _known(cls, objectives: list[str]) -> list[str]:
        for objective in objectives:
            if not is_known(objective):
                raise ValueError(f"{objective!r} is no objective: {FORM}")
        if len(set(objectives)) < len(objectives):
            raise ValueError("an objective is there twice")
        if objectives[0] == TEXTS_PER_SECOND:
            raise ValueError("speed alone is no aim, and pruning goes by the first objective: put sum_r before it")
        return objectives

    def values(self, chosen: dict[str, Any], changes: dict[str, Any] | None = None) -> dict[str, Any]:
        """Put the recipe of a trial together, not checked yet.

        Args:
            chosen: Values of parameters by name, as Optuna gives them.
            changes: Further lines that differ.
        """
        decoded = {name: self._decoded(name, value) for name, value in chosen.items()}
        values = self.recipe
        # One after the other: a part that is replaced as a whole must not undo what is chosen for a line of it.
        for differing in (self.changes, decoded, changes or {}):
            values = recipes.changed(values, differing)
        return values

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
        """What the base recipe has for the parameters, as Optuna takes it; what the search may not try is left out."""
        base = self.recipe_of({})
        found: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if isinstance(parameter, Choices):
                known = [label(choice) for choice in parameter.choices]
                found.update((name, choice) for choice in known if self.recipe_of({name: choice}) == base)
            elif parameter.holds(value := _line(base, name)):
                found[name] = value
        return found

    def _decoded(self, name: str, value: Any) -> Any:
        parameter = self.parameters[name]
        return parameter.labelled(value) if isinstance(parameter, Choices) else value


def _overlap(line: str, other: str) -> bool:
    """Whether two dotted names are the same line, or one is a part that holds the other."""
    return f"{line}.".startswith(f"{other}.") or f"{other}.".startswith(f"{line}.")


def _line(recipe: Recipe, name: str) -> Any:
    """Read a line of a recipe; None where it has no such line."""
    place: Any = recipe
    for step in name.split("."):
        place = getattr(place, step, None)
    return place

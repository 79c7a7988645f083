"""The losses by which a language is added, each against values computed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F

from cl2cm_plugin.errors import UserError
from trainer import language_recipe
from trainer.corpus.training_data import SentencePair
from trainer.language_recipe import LanguageAddition
from trainer.methods.language_addition import LanguageAdditionNetwork
from trainer.objectives.contrastive import contrastive
from trainer.objectives.word_alignment import transport_distance
from trainer.towers.trained_text import TrainedText

if TYPE_CHECKING:
    from collections.abc import Callable

PAIRS = [SentencePair(f"source {n}", f"target {n}", n) for n in range(3)]
KNOWN = [f"known {n}" for n in range(5)]
TEXTS = [*(pair.source for pair in PAIRS), *(pair.target for pair in PAIRS), *KNOWN]
ALONE = {"teacher_weight": 0, "student_weight": 0, "distillation_weight": 0, "replay_weight": 0}


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


TAUGHT = {text: F.normalize(random(8, seed=100 + n), dim=0) for n, text in enumerate(TEXTS)}


@pytest.fixture
def network(model_of: Any) -> Callable[..., LanguageAdditionNetwork]:
    """The stage on random states, with its text tower in eval mode: ``network(known, distillation_weight=2)``."""
    states = {text: random(2 + n % 4, 16, seed=n) for n, text in enumerate(TEXTS)}

    def make(known: list[str] = KNOWN, pairs: list[SentencePair] = PAIRS, **choices: Any) -> LanguageAdditionNetwork:
        settings = LanguageAddition.model_validate(choices)
        text = TrainedText(model_of(), trained_layers=0)
        return LanguageAdditionNetwork(text, settings, states, TAUGHT, pairs, known).eval()

    return make


def encoded(network: LanguageAdditionNetwork, texts: list[str]) -> torch.Tensor:
    return network.text([network._states[text] for text in texts])


def losses(network: LanguageAdditionNetwork) -> dict[str, torch.Tensor]:
    return network.losses(network.collate(list(network.items)))


def taught(texts: list[str]) -> torch.Tensor:
    return torch.stack([TAUGHT[text] for text in texts])


SOURCES, TARGETS = [pair.source for pair in PAIRS], [pair.target for pair in PAIRS]


def test_translations_are_told_apart_by_the_teachers_and_the_students_sources(network):
    stage = network(**{**ALONE, "teacher_weight": 2, "student_weight": 3, "temperature": 0.2})
    found, groups, targets = losses(stage), torch.arange(3), encoded(stage, TARGETS)

    assert set(found) == {"teacher", "student"}
    torch.testing.assert_close(found["teacher"], 2 * contrastive(targets, taught(SOURCES), groups, 0.2))
    torch.testing.assert_close(found["student"], 3 * contrastive(targets, encoded(stage, SOURCES), groups, 0.2))


def test_a_translation_is_given_the_teachers_vector_of_its_source(network):
    stage = network(**{**ALONE, "distillation_weight": 2})
    cosines = (encoded(stage, TARGETS) * taught(SOURCES)).sum(dim=1)

    assert set(losses(stage)) == {"distillation"}
    torch.testing.assert_close(losses(stage)["distillation"], 2 * (2 - 2 * cosines).mean())


def test_source_and_known_sentences_are_given_the_teachers_vectors_of_themselves(network):
    stage = network(**{**ALONE, "distillation_weight": 1, "replay_weight": 2})
    kept = [*SOURCES, "known 0", "known 1", "known 2"]
    cosines = (encoded(stage, kept) * taught(kept)).sum(dim=1)

    torch.testing.assert_close(losses(stage)["replay"], 2 * (2 - 2 * cosines).mean())


def test_without_known_sentences_the_source_sentences_alone_are_kept(network):
    stage = network([], **{**ALONE, "distillation_weight": 1, "replay_weight": 2})
    cosines = (encoded(stage, SOURCES) * taught(SOURCES)).sum(dim=1)

    torch.testing.assert_close(losses(stage)["replay"], 2 * (2 - 2 * cosines).mean())


def test_known_sentences_take_turns_over_the_epochs_whatever_pair_of_a_group_comes(network, monkeypatch):
    stage = network(pairs=[*PAIRS, SentencePair("source 0", "target 2", 0)])
    turns = {}
    for epoch in range(2):
        monkeypatch.setattr(LanguageAdditionNetwork, "current_epoch", epoch)
        for item in stage.items:
            (state,) = stage.collate([item])["known"]
            known = next(text for text in KNOWN if stage._states[text] is state)
            assert turns.setdefault((epoch, item.group), known) == known

    assert [turns[0, group] for group in range(3)] == ["known 0", "known 1", "known 2"]
    assert [turns[1, group] for group in range(3)] == ["known 3", "known 4", "known 2"]


def test_the_word_level_is_stage_1s(network):
    stage = network(**{**ALONE, "word_alignment": {"form": "transport", "weight": 0.3}})
    batch = stage.collate(list(stage.items))
    source, target = (stage.text.with_words(batch[side]) for side in ("source", "target"))

    expected = 0.3 * transport_distance(source.words, target.words, source.mask, target.mask)
    torch.testing.assert_close(losses(stage)["word"], expected)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("teacher_wait: 1", "teacher_wait: Extra inputs"),
        ("optimiser: {patience: 3}", "patience has no dev cut to watch"),
        ("{teacher_weight: 0, student_weight: 0, distillation_weight: 0}", "translations learn nothing"),
        ("[1, 2]", "must be a mapping"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_wrong_line_is_named(lines, message, tmp_path):
    (tmp_path / "recipe.yaml").write_text(lines)

    with pytest.raises(UserError, match=message):
        language_recipe.load(tmp_path / "recipe.yaml")


def test_no_file_means_the_defaults_and_a_seed_replaces_the_files(tmp_path):
    (tmp_path / "recipe.yaml").write_text("{seed: 3, optimiser: {batch_size: 8}}")

    assert language_recipe.load(None) == LanguageAddition()
    assert language_recipe.load(tmp_path / "recipe.yaml").optimiser.batch_size == 8
    assert [language_recipe.load(tmp_path / "recipe.yaml", seed).seed for seed in (None, 5)] == [3, 5]
    with pytest.raises(UserError, match=r"no file .*absent\.yaml"):
        language_recipe.load(tmp_path / "absent.yaml")

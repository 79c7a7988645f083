"""A run with any choice of a recipe trains, shares its cross-lingual network, and goes on after a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from trainer import corpus, fit, recipe
from trainer.methods.cl2cm import CrossModalNetwork
from trainer.methods.cross_lingual import CrossLingualNetwork

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LEARNED = {"start": 0.05, "learnable": True}
CROSS_LINGUAL = {
    "hinge": {"sentence": {"form": "hinge", "reduction": "sum"}},
    "learned": {"temperature": LEARNED},
    "entropic": {"word_alignment": {"form": "entropic"}},
    "self-labelled": {"word_alignment": {"form": "self_labelled"}},
    "off": {"word_alignment": {"form": "off"}},
}
CROSS_MODAL = {
    "hinge": {"matching": {"form": "hinge"}},
    "learned": {"temperature": LEARNED},
    "soft labels": {"distillation": {"form": "soft_labels"}},
    "embeddings": {"distillation": {"form": "embeddings"}},
    "off": {"distillation": {"form": "off"}},
    "untranslated": {"untranslated": True},
    "supervised": {"supervised": True},
    "regions": {"region_dropout": 0.5},
    "English only": {"target_weight": 0, "distillation": {"form": "off"}},
}


@pytest.fixture
def train(text_backbone: Path, image_backbone: Path, colours: Path) -> Callable[..., fit.Run]:
    """Train on the tiny backbones: ``train(folder, cross_modal={...})``."""

    def run(
        folder: Path,
        epochs: int = 2,
        networks: Path | None = None,
        whole: dict[str, Any] | None = None,
        **stages: dict[str, Any],
    ) -> fit.Run:
        optimiser = {"epochs": epochs, "batch_size": 4, "lr_projection": 0.01}
        model = {"text": str(text_backbone), "image": str(image_backbone), "dimensions": 8, "vocabulary": "all"}
        values = {name: {"optimiser": optimiser, **stages.get(name, {})} for name in ("cross_lingual", "cross_modal")}
        values.update(whole or {})
        values["model"] = {**model, **values.get("model", {})}
        return fit.fit(recipe.Recipe.model_validate(values), corpus.read(colours), folder, networks=networks)

    return run


def vectors(run: fit.Run) -> np.ndarray:
    return SentenceTransformer(str(run.model), device="cpu").encode([{"text": "a red picture"}, {"text": "rot"}])


@pytest.mark.parametrize(
    ("stage", "choice"),
    [
        *(("cross_lingual", one) for one in CROSS_LINGUAL.items()),
        *(("cross_modal", one) for one in CROSS_MODAL.items()),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_every_choice_trains(stage, choice, train, tmp_path):
    trained = vectors(train(tmp_path / "run", epochs=1, **{stage: choice[1]}))

    np.testing.assert_allclose(np.linalg.norm(trained, axis=1), 1, atol=1e-5)


def test_stage_1_of_no_epochs_is_left_out(train, tmp_path):
    seen = []
    settings = {"optimiser": {"epochs": 0}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CrossLingualNetwork, "losses", lambda *_: seen.append(1))
        run = train(
            tmp_path / "run",
            cross_lingual=settings,
            cross_modal={"source_weight": 0, "distillation": {"form": "off"}},
        )

    assert not seen
    assert not (tmp_path / "run" / "cross_lingual").exists()
    assert "form: 'off'" in (run.model / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "choice",
    [
        {"schedule": "joint"},
        {"dev_pictures": 2, "same_picture": True},
        {"noise": {"drop": 0.5}},
        {"model": {"trained_layers": "all", "trained_image_layers": 1}},
        {"model": {"trained_image_layers": "all"}},
        {"compute": {"precision": "bfloat16"}},
    ],
    ids=str,
)
def test_every_choice_for_the_whole_run_trains(choice, train, tmp_path):
    trained = vectors(train(tmp_path / "run", epochs=1, whole=choice))

    np.testing.assert_allclose(np.linalg.norm(trained, axis=1), 1, atol=1e-5)


def test_a_finished_cross_lingual_network_serves_other_runs(train, tmp_path, monkeypatch):
    first = train(tmp_path / "first", networks=tmp_path / "networks")
    alone = train(tmp_path / "alone", cross_modal={"source_weight": 2.0})
    monkeypatch.setattr(CrossLingualNetwork, "losses", lambda *_: pytest.fail("trained again"))
    second = train(tmp_path / "second", networks=tmp_path / "networks", cross_modal={"source_weight": 2.0})

    assert len(list((tmp_path / "networks").glob("*/text.safetensors"))) == 1
    np.testing.assert_array_equal(vectors(second), vectors(alone))
    assert np.abs(vectors(second) - vectors(first)).max() > 1e-4


def test_another_seed_or_setting_is_another_cross_lingual_network(train, tmp_path):
    for name, whole, settings in (
        ("one", {}, {}),
        ("seed", {"seed": 1}, {}),
        ("setting", {}, {"temperature": 0.1}),
        ("data", {"origins": ["mt"]}, {}),
        ("precision", {"compute": {"precision": "bfloat16"}}, {}),
    ):
        train(tmp_path / name, epochs=1, networks=tmp_path / "networks", whole=whole, cross_lingual=settings)

    assert len(list((tmp_path / "networks").glob("*/text.safetensors"))) == 5


@pytest.mark.parametrize(
    ("network", "stage_folder"), [(CrossLingualNetwork, "cross_lingual"), (CrossModalNetwork, "cross_modal")]
)
def test_a_learned_temperature_moves_and_a_killed_run_goes_on_with_it(
    network, stage_folder, train, tmp_path, monkeypatch, killed
):
    stages = {name: {"temperature": LEARNED} for name in ("cross_lingual", "cross_modal")}
    seen: list[tuple[int, float]] = []
    reseed = network.on_train_epoch_start

    def note(self: Any) -> None:
        seen.append((self.current_epoch, float(self.matching.temperature.value)))
        reseed(self)

    monkeypatch.setattr(network, "on_train_epoch_start", note)
    whole = vectors(train(tmp_path / "whole", epochs=3, **stages))
    start, after_one, after_two = (value for _, value in seen)
    with killed(network):
        train(tmp_path / "killed", epochs=3, **stages)
    seen.clear()
    (checkpoint,) = (tmp_path / "killed" / stage_folder).iterdir()
    assert checkpoint.name == "last.ckpt"
    resumed = vectors(train(tmp_path / "killed", epochs=3, **stages))

    assert start == pytest.approx(0.05)
    assert len({start, after_one, after_two}) == 3
    assert seen == [(1, after_one), (2, after_two)]
    np.testing.assert_array_equal(resumed, whole)

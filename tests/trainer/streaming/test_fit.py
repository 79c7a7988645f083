"""Training on shards, end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from cl2cm_plugin.errors import UserError
from trainer import corpus
from trainer import fit as in_memory
from trainer.streaming import shards, writing
from trainer.streaming.damaged import DAMAGED_PICTURES, damaged_pictures
from trainer.streaming.fit import fit
from trainer.streaming.networks import StreamedCrossLingual, StreamedCrossModal

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.fit import Run

TEXTS = ["a red picture", "ein bild in blau", "x", "nobody drew this, but it is a rather long sentence of 20 words"]
TRAINED = {"trained_layers": 1, "trained_image_layers": 1}


def vectors(run: Run) -> np.ndarray:
    return SentenceTransformer(str(run.model), device="cpu").encode([{"text": text} for text in TEXTS])


def picture_vector(run: Run) -> np.ndarray:
    from PIL import Image

    return SentenceTransformer(str(run.model), device="cpu").encode([Image.new("RGB", (40, 40), (255, 0, 0))])


def test_a_run_writes_a_model_with_its_card(recipe_of, opened, tmp_path):
    run = fit(recipe_of(patience=2), opened, tmp_path / "run")

    np.testing.assert_allclose(np.linalg.norm(vectors(run), axis=1), 1, atol=1e-5)
    assert (run.info.licence, run.info.trained_on) == ("CC0-1.0", "colours, split train")
    card = (run.model / "README.md").read_text(encoding="utf-8")
    assert "Split `dev`" in card
    assert "| en |" in card


def test_a_finished_run_returns_at_once(recipe_of, opened, tmp_path, monkeypatch):
    first = fit(recipe_of(), opened, tmp_path / "run")
    monkeypatch.setattr("trainer.streaming.fit.StreamedStages.train", lambda *_: pytest.fail("trained again"))

    assert fit(recipe_of(), opened, tmp_path / "run") == first


@pytest.mark.forks
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("stage", [StreamedCrossLingual, StreamedCrossModal])
def test_a_killed_run_goes_on_to_the_same_vectors(stage, workers, recipe_of, opened, tmp_path, killed):
    recipe = recipe_of(model=TRAINED, cross_modal={"untranslated": True}, workers=workers)
    whole = fit(recipe, opened, tmp_path / "whole")
    with killed(stage, epoch=1):
        fit(recipe, opened, tmp_path / "killed")

    resumed = fit(recipe, opened, tmp_path / "killed")

    np.testing.assert_array_equal(vectors(resumed), vectors(whole))
    np.testing.assert_array_equal(picture_vector(resumed), picture_vector(whole))


def test_runs_that_differ_in_stage_2_share_the_network_of_stage_1(recipe_of, opened, tmp_path, monkeypatch, killed):
    networks = tmp_path / "networks"
    first, other = recipe_of(model=TRAINED), recipe_of(model=TRAINED, cross_modal={"target_weight": 0.5})
    alone = fit(other, opened, tmp_path / "alone")
    with killed(StreamedCrossLingual, epoch=1):
        fit(first, opened, tmp_path / "killed", networks=networks)
    fit(first, opened, tmp_path / "first", networks=networks)
    with monkeypatch.context() as patch:
        patch.setattr(StreamedCrossLingual, "training_step", lambda *_: pytest.fail("stage 1 was trained again"))
        shared = fit(other, opened, tmp_path / "other", networks=networks)

    np.testing.assert_array_equal(vectors(shared), vectors(alone))
    np.testing.assert_array_equal(picture_vector(shared), picture_vector(alone))
    assert len([folder for folder in networks.iterdir() if folder.is_dir()]) == 1


def test_another_stage_1_or_other_pairs_are_another_network(recipe_of, opened, sharded, write_pairs, tmp_path):
    def networks() -> int:
        return len([folder for folder in (tmp_path / "networks").iterdir() if folder.is_dir()])

    found = []
    for number, changes in enumerate(({}, {"seed": 1}, {"cross_lingual": {"temperature": 0.1}}, {"patience": 1})):
        if optimiser := changes.get("cross_lingual"):
            optimiser["optimiser"] = {"epochs": 1, "batch_size": 4}
        fit(recipe_of(**changes), opened, tmp_path / str(number), networks=tmp_path / "networks")
        found.append(networks())
    write_pairs(next((sharded / "pairs").iterdir()), [(f"{n}", f"nummer {n}") for n in range(9)])
    fit(recipe_of(), shards.read(sharded), tmp_path / "pairs", networks=tmp_path / "networks")

    assert [*found, networks()] == [1, 2, 3, 4, 5]


def test_workers_change_nothing(recipe_of, opened, tmp_path):
    runs = [fit(recipe_of(model=TRAINED, workers=n), opened, tmp_path / str(n)) for n in (0, 2)]

    np.testing.assert_array_equal(*map(vectors, runs))
    np.testing.assert_array_equal(*map(picture_vector, runs))


@pytest.mark.forks
@pytest.mark.parametrize("patience", [0, 3])
def test_two_processes_end_in_the_weights_of_one(patience, recipe_of, opened, tmp_path):
    # One batch an epoch: then both train on the same one, whatever the order.
    quiet = {"cross_modal": {"feature_dropout": 0}, "batch_size": 64, "epochs": 3, "patience": patience}
    assert opened.pictures.comes_apart(2)

    one, two = (fit(recipe_of(devices=n, **quiet), opened, tmp_path / str(n)) for n in (1, 2))

    np.testing.assert_allclose(vectors(two), vectors(one), atol=1e-5)
    np.testing.assert_allclose(picture_vector(two), picture_vector(one), atol=1e-5)


def test_a_stream_ends_in_the_weights_of_training_in_memory(recipe_of, colours, tmp_path, monkeypatch):
    # One batch an epoch of pairs and pictures that come once: nothing of the order is left.
    monkeypatch.setattr(torch.Tensor, "half", lambda self: self)
    names = ("red", "green", "blue", "white", "black", "yellow")
    (colours / "captions" / "en.tsv").write_text("media_id\tcaption\n" + "".join(f"{n}\t{n}\n" for n in names))
    (colours / "pairs" / "en-de.tsv").write_text("source\ttarget\n" + "".join(f"{n}\tx {n}\n" for n in names))
    recipe = recipe_of(
        model={"trained_layers": 1, "text_dropout": 0}, cross_modal={"feature_dropout": 0}, batch_size=64, epochs=3
    )
    read = corpus.read(colours)
    writing.write(read, tmp_path / "six", "train", rows=2)

    streamed = fit(recipe, shards.read(tmp_path / "six"), tmp_path / "streamed")

    np.testing.assert_allclose(vectors(streamed), vectors(in_memory.fit(recipe, read, tmp_path / "memory")), atol=1e-5)


@pytest.mark.parametrize("form", ["soft_labels", "embeddings", "off"])
def test_every_form_of_distillation_that_is_not_refused_trains(form, recipe_of, opened, tmp_path):
    run = fit(recipe_of(cross_modal={"distillation": {"form": form}}), opened, tmp_path / "run")

    assert np.isfinite(vectors(run)).all()


def test_both_stages_at_once_train_on_streams(recipe_of, opened, tmp_path):
    run = fit(recipe_of(schedule="joint", model=TRAINED), opened, tmp_path / "run")

    assert np.isfinite(vectors(run)).all()
    assert (tmp_path / "run" / "joint" / "last.ckpt").is_file()


def test_a_damaged_picture_is_left_out_counted_and_told(recipe_of, sharded, tmp_path, damage):
    damage(sharded, {"red"})
    opened = shards.read(sharded)

    run = fit(recipe_of(workers=1), opened, tmp_path / "run")

    damaged = damaged_pictures(tmp_path / "run" / DAMAGED_PICTURES)
    assert list(damaged) == ["red"]
    assert "damaged" in damaged["red"]
    assert run.info.trained_on == "colours, split train; damaged pictures left out: 1"
    assert np.isfinite(vectors(run)).all()


@pytest.mark.forks
def test_every_process_tells_of_its_damaged_pictures(recipe_of, sharded, tmp_path, damage):
    damage(sharded, {"red", "green", "blue", "white"})

    fit(recipe_of(devices=2), shards.read(sharded), tmp_path / "run")

    assert set(damaged_pictures(tmp_path / "run" / DAMAGED_PICTURES)) == {"red", "green", "blue", "white"}


def test_a_folder_of_another_run_is_refused(recipe_of, opened, sharded, tmp_path, write_pairs):
    fit(recipe_of(), opened, tmp_path / "run")
    write_pairs(sharded / "pairs" / "99999.parquet", [("a new pair", "neu")])

    with pytest.raises(UserError, match="holds a run of another recipe or other data"):
        fit(recipe_of(), shards.read(sharded), tmp_path / "run")


def test_rows_are_counted_once_a_run(recipe_of, opened, tmp_path, killed, monkeypatch):
    with killed(StreamedCrossLingual, epoch=1):
        fit(recipe_of(), opened, tmp_path / "run")
    monkeypatch.setattr("trainer.streaming.items.SentencePairs.count", lambda *_: pytest.fail("counted again"))

    fit(recipe_of(), opened, tmp_path / "run")


def test_figures_on_dev_stop_a_stage(recipe_of, opened, tmp_path, monkeypatch):
    # No later epoch is better than the first.
    figures = iter(range(100, 0, -1))
    monkeypatch.setattr("trainer.streaming.dev.DevFigures.translation", lambda _: float(next(figures)))
    trained = []
    monkeypatch.setattr(StreamedCrossLingual, "on_train_epoch_start", lambda self: trained.append(self.current_epoch))

    fit(recipe_of(patience=2, epochs=6), opened, tmp_path / "run")

    assert trained == [0, 1, 2]


def test_recipes_that_need_everything_are_refused(recipe_of, opened, tmp_path):
    optimiser = {"epochs": 1}
    refused = {
        "model.vocabulary": {"model": {"vocabulary": "corpus"}},
        "cross_lingual.sources": {
            "cross_lingual": {"sources": {"form": "frozen"}},
            "cross_modal": {"projections_first": optimiser},
        },
        "cross_lingual.sentences": {"cross_lingual": {"sentences": 10}},
        "cross_modal.projections_first": {"cross_modal": {"projections_first": optimiser}},
        "cross_modal.caption_mixing": {"cross_modal": {"caption_mixing": 0.5}},
        "cross_modal.region_dropout": {"cross_modal": {"region_dropout": 0.5}},
        "cross_modal.distillation": {
            "cross_modal": {"distillation": {"form": "several_teachers", "models": ["backbone"]}}
        },
        "noise": {"noise": {"drop": 0.1}},
        "pair_filter": {"pair_filter": {}},
        "cross_lingual and cross_modal.optimiser.batch_size": {"batch_size": 3, "devices": 2},
    }
    for line, changes in refused.items():
        if "cross_lingual" in changes:
            changes["cross_lingual"]["optimiser"] = optimiser
        if "cross_modal" in changes:
            changes["cross_modal"]["optimiser"] = optimiser
        with pytest.raises(UserError, match=f"cannot be trained on the shards in .*: .*{line}"):
            fit(recipe_of(**changes), opened, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_the_shards_lack_is_told_before_training(recipe_of, sharded, tmp_path):
    def refusal(**changes: object) -> str:
        with pytest.raises(UserError) as refused:
            fit(recipe_of(**changes), shards.read(sharded), tmp_path / "run")
        return str(refused.value)

    assert "from en into fr of an origin that the recipe takes" in refusal(target_languages=["de", "fr"])
    assert "the recipe takes 0 (source_language cs" in refusal(source_language="cs", target_languages=[], **NO_STAGE_1)
    (sharded / "dev").rename(sharded / "elsewhere")
    assert "the folder has no dev/" in refusal(patience=1)
    (sharded / "pictures").rename(sharded / "no-pictures")
    assert "the folder has none in pictures/" in refusal()
    assert not (tmp_path / "run").exists()


NO_STAGE_1 = {
    "cross_lingual": {"optimiser": {"epochs": 0}},
    "cross_modal": {"distillation": {"form": "off"}, "optimiser": {"epochs": 1}},
}


def test_a_split_to_evaluate_on_needs_a_dev_folder(recipe_of, opened, sharded, tmp_path: Path):
    (sharded / "dev").rename(sharded / "elsewhere")

    with pytest.raises(UserError, match="has no dev/ to evaluate on"):
        fit(recipe_of(), shards.read(sharded), tmp_path / "run", ["held-out"])

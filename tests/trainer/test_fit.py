from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from cl2cm_plugin.encoder import backbones, model_info
from cl2cm_plugin.errors import UserError
from trainer import corpus, recipe
from trainer.fit import fit, training_data, unseen_splits
from trainer.run_folder import _learned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXTS = ["a red picture", "ein bild in blau", "x", "nobody drew this, but it is a rather long sentence of 20 words"]


@pytest.fixture
def recipe_of(text_backbone: Path, image_backbone: Path) -> Callable[..., recipe.Recipe]:
    """A short recipe on the tiny backbones: ``recipe_of(seed=1)``."""

    def make(
        *,
        trained_layers: int = 1,
        epochs: int = 2,
        layers: str = "adamw",
        text: str = "",
        image: str = "",
        **changes: Any,
    ) -> recipe.Recipe:
        rates = {"lr_projection": 0.01, "lr_backbone": 0.005}
        optimiser = {"epochs": epochs, "batch_size": 4, "layers": layers, **rates}
        model = {
            "text": text or str(text_backbone),
            "image": image or str(image_backbone),
            "dimensions": 8,
            "max_tokens": 32,
            "vocabulary": "all",
            "trained_layers": trained_layers,
        }
        values = {
            "model": model,
            "cross_lingual": {"optimiser": optimiser},
            "cross_modal": {"optimiser": optimiser},
            **changes,
        }
        return recipe.Recipe.model_validate(values)

    return make


@pytest.fixture
def read(colours: Path) -> corpus.CaptionedMedia:
    return corpus.read(colours)


def vectors(folder: Path) -> np.ndarray:
    return SentenceTransformer(str(folder), device="cpu").encode([{"text": text} for text in TEXTS])


def picture_vector(folder: Path) -> np.ndarray:
    from PIL import Image

    return SentenceTransformer(str(folder), device="cpu").encode([Image.new("RGB", (40, 40), (255, 0, 0))])


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def test_a_run_writes_a_model_with_its_card_and_facts(recipe_of, read, tmp_path):
    run = fit(recipe_of(), read, tmp_path / "run", evaluate_on=["train", "held-out"])

    assert run.model == tmp_path / "run" / "model"
    assert vectors(run.model).shape == (4, 8)
    np.testing.assert_allclose(np.linalg.norm(vectors(run.model), axis=1), 1, atol=1e-5)
    info = model_info.read(run.model)
    assert info == run.info
    assert (info.name, info.languages, info.dimensions) == ("cl2cm-de", ["en", "de"], 8)
    assert (info.licence, info.max_tokens, info.image_size) == ("CC0-1.0", 32, 32)
    assert info.fingerprint == model_info.fingerprint(run.model)
    card = (run.model / "README.md").read_text(encoding="utf-8")
    for line in ("# cl2cm-de", "Licence of the data: CC0-1.0", "Split `train`, seen in training", "Split `held-out`"):
        assert line in card
    assert "trained_layers: 1" in card


def test_a_finished_run_returns_at_once(recipe_of, read, tmp_path, monkeypatch):
    first = fit(recipe_of(), read, tmp_path / "run")
    monkeypatch.setattr("trainer.fit.Stages.train", lambda *_: pytest.fail("trained again"))

    assert fit(recipe_of(), read, tmp_path / "run") == first


def test_patience_in_stage_1_needs_translations_to_watch(recipe_of, read, tmp_path):
    settings = recipe_of(dev_pictures=2, cross_lingual={"optimiser": {"epochs": 1, "patience": 1}})
    data = training_data(settings, read)
    silent = replace(data, dev=replace(data.dev, pairs={}))

    with pytest.raises(UserError, match=r"cross_lingual.optimiser.patience .* has no translation: set it to 0"):
        fit(settings, read, tmp_path / "run", data=silent)


def test_the_seed_decides_the_vectors(recipe_of, read, tmp_path):
    first, again, other = (
        vectors(fit(recipe_of(seed=seed), read, tmp_path / name).model)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )

    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_a_run_that_converts_its_backbones_first_gives_the_same_model(
    recipe_of, read, tmp_path, monkeypatch, write_tiny_image_backbone
):
    # Converters and the cutting of vocabularies build models, and may draw random numbers on the way.
    def drawing(convert: Callable[[Path], None]) -> Callable[[Path], None]:
        return lambda folder: (torch.rand(7), convert(folder))[1]

    monkeypatch.setitem(backbones._IMAGE, "drawn", drawing(write_tiny_image_backbone))
    settings = recipe_of(image="drawn")

    first, second = (vectors(fit(settings, read, tmp_path / name).model) for name in "ab")

    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("stage", ["CrossLingualNetwork", "CrossModalNetwork"])
@pytest.mark.parametrize(("trained_layers", "layers"), [(0, "adamw"), (2, "adamw"), (2, "muon")])
def test_a_killed_run_goes_on_to_the_same_vectors(stage, trained_layers, layers, recipe_of, read, tmp_path, killed):
    import trainer.stages

    settings = recipe_of(epochs=3, trained_layers=trained_layers, layers=layers)
    whole = vectors(fit(settings, read, tmp_path / "whole").model)
    with killed(getattr(trainer.stages, stage)):
        fit(settings, read, tmp_path / "killed")
    assert not (tmp_path / "killed" / "model").exists()
    # The epoch that was complete is kept: without it the run would start the stage anew, to the same vectors.
    stopped_in = {"CrossLingualNetwork": "cross_lingual", "CrossModalNetwork": "cross_modal"}[stage]
    kept = torch.load(tmp_path / "killed" / stopped_in / "last.ckpt", weights_only=True)
    assert kept["epoch"] == 0
    torch.rand(5)  # whatever happened in between

    resumed = vectors(fit(settings, read, tmp_path / "killed").model)

    np.testing.assert_array_equal(resumed, whole)


@pytest.mark.forks
@pytest.mark.parametrize("schedule", ["two_stages", "joint"])
def test_a_killed_run_whose_workers_open_pictures_goes_on_to_the_same_vectors(
    schedule, recipe_of, read, tmp_path, killed
):
    import trainer.stages

    lines = {"model.trained_image_layers": 1, "compute.workers": 1, "schedule": schedule}
    settings = recipe.Recipe.model_validate(recipe.changed(recipe_of(epochs=3).model_dump(), lines))
    stage = trainer.stages.JointNetwork if schedule == "joint" else trainer.stages.CrossModalNetwork
    whole = fit(settings, read, tmp_path / "whole").model
    with killed(stage):
        fit(settings, read, tmp_path / "killed")
    resumed = fit(settings, read, tmp_path / "killed").model

    np.testing.assert_array_equal(vectors(resumed), vectors(whole))
    np.testing.assert_array_equal(picture_vector(resumed), picture_vector(whole))


def test_workers_open_the_pictures_of_both_networks_at_once(recipe_of, read, tmp_path, monkeypatch):
    from trainer.methods.stage import Stage

    made, loader = [], Stage.loader
    monkeypatch.setattr(Stage, "loader", lambda self, *share: made.append(self.workers) or loader(self, *share))
    lines = {"compute.workers": 1, "schedule": "joint"}
    fit(recipe.Recipe.model_validate(recipe.changed(recipe_of().model_dump(), lines)), read, tmp_path / "run")

    assert made == [1, 1]


def test_an_epoch_of_both_networks_is_a_pass_over_the_pictures_where_pairs_are_fewer(
    recipe_of, read, tmp_path, monkeypatch
):
    from trainer.methods.cl2cm import CrossModalNetwork

    seen, losses = [], CrossModalNetwork.losses
    monkeypatch.setattr(CrossModalNetwork, "losses", lambda self, batch: seen.append(1) or losses(self, batch))
    lines = {"cross_lingual.optimiser.batch_size": 64, "cross_modal.optimiser.batch_size": 2, "schedule": "joint"}
    settings = recipe.changed(recipe_of(epochs=1).model_dump(), lines)
    fit(recipe.Recipe.model_validate(settings), read, tmp_path / "run")

    # Six pictures in twos.
    assert len(seen) == 3


def test_a_folder_of_another_run_is_refused(recipe_of, read, tmp_path):
    fit(recipe_of(epochs=1), read, tmp_path / "run")

    with pytest.raises(UserError, match="another recipe or other data"):
        fit(recipe_of(epochs=1, seed=4), read, tmp_path / "run")


@pytest.mark.parametrize("trained_layers", [0, 1])
def test_the_backbones_stay_as_they_were_except_for_the_trained_layers(
    trained_layers, recipe_of, read, tmp_path, model_of
):
    before = weights(model_of())
    after = weights(
        SentenceTransformer(
            str(fit(recipe_of(trained_layers=trained_layers), read, tmp_path / "run").model), device="cpu"
        )
    )

    changed = {key for key in before if not torch.equal(before[key], after[key])}
    layers = {key for key in changed if "encoder.layer." in key}
    assert {key.split("encoder.layer.")[1][0] for key in layers} == ({"2"} if trained_layers else set())
    assert {key.split(".linear.")[1] for key in changed - layers} == {"weight", "bias"}
    assert not any("running" in key for key in changed)


def test_every_epoch_has_an_order_of_its_own(recipe_of, read, tmp_path, monkeypatch):
    from trainer.methods.cross_lingual import CrossLingualNetwork

    seen: list[list[str]] = []
    collate = CrossLingualNetwork.collate

    def recorded(self: Any, items: list[Any]) -> dict[str, Any]:
        seen.append([item.source for item in items])
        return collate(self, items)

    monkeypatch.setattr(CrossLingualNetwork, "collate", recorded)
    fit(recipe_of(epochs=3), read, tmp_path / "run")

    third = len(seen) // 3
    epochs = [seen[:third], seen[third : 2 * third], seen[2 * third :]]
    assert epochs[0] != epochs[1]
    assert epochs[1] != epochs[2]


def test_a_target_language_without_captions_is_trained_and_left_out_of_the_figures(recipe_of, colours, tmp_path):
    (colours / "captions" / "de.tsv").unlink()

    card = (fit(recipe_of(), corpus.read(colours), tmp_path / "run", ["held-out"]).model / "README.md").read_text()

    assert "| en |" in card
    assert "| de |" not in card


def test_splits_with_captions_in_some_language_are_evaluated_if_training_does_not_see_them(recipe_of, colours):
    (colours / "captions" / "de.tsv").unlink()
    assert unseen_splits(recipe_of(), corpus.read(colours)) == ["held-out"]

    (colours / "captions" / "en.tsv").rename(colours / "captions" / "fr.tsv")
    assert unseen_splits(recipe_of(), corpus.read(colours)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Nobody captioned a picture in de: it learned from en captions and their translations with CL2CM in two"),
        ({"schedule": "joint"}, "captions and their translations in one stage."),
        ({"cross_lingual.optimiser.epochs": 0}, "captions and their translations in one stage."),
        (
            {"cross_lingual.optimiser.epochs": 0, "cross_modal.target_weight": 0},
            "It learned from en captions alone; what it finds in other languages is its text backbone's.",
        ),
        (
            {"cross_modal.supervised": True},
            "An upper bound: it learned from people's captions of the pictures in en, de",
        ),
        ({"transfer_languages": ["zh"]}, "No text in zh was trained on."),
    ],
)
def test_a_card_tells_cl2cm_from_baselines_and_upper_bounds(changes, said, recipe_of):
    off = {"cross_modal.distillation": {"form": "off"}} if changes else {}
    values = recipe.changed(recipe_of().model_dump(), {**off, **changes})

    assert said in " ".join(_learned(recipe.Recipe.model_validate(values)).split())


def test_an_unknown_split_is_told_before_training(recipe_of, colours, tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.fit.Stages.train", lambda *_: pytest.fail("trained first"))

    with pytest.raises(UserError, match="no split 'nowhere'"):
        fit(recipe_of(), corpus.read(colours), tmp_path / "run", ["nowhere"])


def test_a_corpus_of_one_picture_is_refused(recipe_of, colours, tmp_path):
    (colours / "splits" / "train.txt").write_text("red\n", encoding="utf-8")

    with pytest.raises(UserError):
        fit(recipe_of(), corpus.read(colours), tmp_path / "run")


def distilled(form: dict[str, Any]) -> dict[str, Any]:
    return {"optimiser": {"epochs": 2, "batch_size": 4, "lr_projection": 0.01}, "distillation": form}


def test_other_models_teach_beside_the_first_stage(recipe_of, read, tmp_path, tiny_model_folder):
    several = {"form": "several_teachers", "models": [str(tiny_model_folder)]}
    runs = [
        fit(recipe_of(cross_modal=distilled(form)), read, tmp_path / str(number)).model
        for number, form in enumerate(({"form": "off"}, several))
    ]

    assert not np.allclose(*map(vectors, runs))


def test_a_teacher_that_is_not_installed_is_told_before_training(recipe_of, read, tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.fit.Stages.train", lambda *_: pytest.fail("trained first"))
    several = {"form": "several_teachers", "models": ["cl2cm-nobody"]}

    with pytest.raises(UserError, match="cl2cm-nobody"):
        fit(recipe_of(cross_modal=distilled(several)), read, tmp_path / "run")


def test_pairs_that_look_wrong_take_no_part_and_are_written_down(recipe_of, read, tmp_path, doubt):
    pairs = [(row["source"], row["target"]) for row in read.pairs.to_list() if row["target_language"] == "de"]
    wrong = pairs[0]
    doubt(pairs, 1)
    settings = recipe_of(pair_filter={"nearest": 1, "among": len(pairs)})
    data = training_data(settings, read)

    trained = {(pair.source, pair.target) for pair in data.sentence_pairs}
    assert trained == {(pair.source, pair.target) for pair in training_data(recipe_of(), read).sentence_pairs} - {
        wrong
    }
    assert wrong[1] not in {row.target for row in data.captioned_pictures}

    run = fit(settings, read, tmp_path / "run", data=data)
    table = (run.folder / "doubtful-pairs.tsv").read_text(encoding="utf-8")
    assert table == "languages\tsource\ttarget\nen-de\t{}\t{}\n".format(*wrong)

"""``cl2cm shards``, and ``cl2cm train`` on what it wrote."""

from __future__ import annotations

import pytest
import yaml

from cl2cm_plugin import cli


@pytest.fixture
def recipe_file(recipe_of, tmp_path):
    file = tmp_path / "short.yaml"
    file.write_text(yaml.safe_dump(recipe_of().model_dump()), encoding="utf-8")
    return str(file)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_shards_are_written_and_trained_on(colours, recipe_file, capsys, tmp_path):
    assert cli.main(["shards", str(colours), "--out", "shards", "--dev", "held-out", "--rows", "3"]) == 0
    assert "6 pictures and 13 sentence pairs are in shards, 7 shards." in capsys.readouterr().out

    assert cli.main(["train", recipe_file, "--data", "shards", "--out", "run"]) == 0

    assert "is in run/model; its README.md has the figures." in capsys.readouterr().out
    assert "Split `dev`" in (tmp_path / "run" / "model" / "README.md").read_text(encoding="utf-8")


def test_runs_share_networks_on_shards_as_well(sharded, recipe_file, tmp_path):
    assert cli.main(["train", recipe_file, "--data", str(sharded), "--out", "run", "--networks", "networks"]) == 0

    assert len(list((tmp_path / "networks").glob("*/text.safetensors"))) == 1


def test_damaged_pictures_are_told_at_the_end(sharded, recipe_file, damage, capsys):
    damage(sharded, {"red", "blue", "green", "white"})

    assert cli.main(["train", recipe_file, "--data", str(sharded), "--out", "run"]) == 0

    told = "Left out: 4 pictures that cannot be opened (blue, green, red, ...); run/damaged-pictures.tsv says why."
    assert told in capsys.readouterr().out


def test_a_run_has_a_folder_of_its_recipe_and_shards(sharded, recipe_file, tmp_path):
    assert cli.main(["train", recipe_file, "--data", str(sharded)]) == 0
    assert cli.main(["train", recipe_file, "--data", str(sharded), "--seed", "1"]) == 0

    assert len(list((tmp_path / "build" / "runs").glob("cl2cm-de-*/model"))) == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--target", "fr"], "into fr of an origin"),
        (["--evaluate-on", "nowhere"], "has no split 'nowhere'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(options, sentence, sharded, recipe_file, capsys):
    assert cli.main(["train", recipe_file, "--data", str(sharded), "--out", "run", *options]) == 1

    assert sentence in capsys.readouterr().err


def test_rows_are_at_least_one(colours, capsys):
    assert cli.main(["shards", str(colours), "--out", "shards", "--rows", "0"]) == 1

    assert "--rows is 0" in capsys.readouterr().err

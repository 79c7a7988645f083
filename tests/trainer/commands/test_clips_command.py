from __future__ import annotations

import argparse

import pytest

from cl2cm_plugin.errors import UserError
from trainer import corpus
from trainer.commands import clips

pytest.importorskip("av")


def run(*argv: object) -> int:
    parser = argparse.ArgumentParser()
    clips.register(parser.add_subparsers())
    arguments = parser.parse_args(["clips", *map(str, argv)])
    return arguments.run(arguments)


def test_clips_of_a_corpus_are_a_corpus(colours, tmp_path, capsys):
    folder = tmp_path / "clips"

    assert run("--from", colours, "--out", folder, "--limit", "2", "--languages", "en", "de", "--splits", "train") == 0

    read = corpus.read(folder)
    assert (len(read.media), read.languages, list(read.splits)) == (4, ["de", "en"], ["train"])
    said = capsys.readouterr().out
    assert f"4 clips with captions in de, en and {len(read.pairs)} sentence pairs are in" in said


def test_a_mistake_is_named(colours, tmp_path):
    with pytest.raises(UserError, match="The limit is 0"):
        run("--from", colours, "--out", tmp_path / "clips", "--limit", "0")

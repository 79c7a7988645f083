from __future__ import annotations

import argparse

import pytest

from cl2cm_plugin.errors import UserError
from trainer import corpus, translation
from trainer.commands import translate
from trainer.corpus import training_data

SENTENCES = 16  # of eight pictures with two captions each
TRAINED = 12


class Upper:
    name = "upper"

    def translate(self, sentences: list[str]) -> list[str]:
        return [sentence.upper() if sentence != "red" else "" for sentence in sentences]


@pytest.fixture
def asked(monkeypatch):
    """The arguments with which a translator was looked for; there is one for every pair."""
    calls = []

    def find(*arguments):
        calls.append(arguments)
        return Upper()

    monkeypatch.setattr(translation, "find_translator", find)
    return calls


def run(*argv: object) -> int:
    parser = argparse.ArgumentParser()
    translate.register(parser.add_subparsers())
    arguments = parser.parse_args(["translate", *map(str, argv)])
    return arguments.run(arguments)


def test_captions_become_sentence_pairs_that_training_finds(colours, asked, capsys):
    assert run(colours, "--to", "fr", "--split", "train") == 0

    read = corpus.read(colours)
    pairs = [row for row in read.pairs.to_list() if row["target_language"] == "fr"]
    assert len(pairs) == TRAINED - 1
    assert {row["origin"] for row in pairs} == {"mt-upper"}
    assert len(training_data.assemble(read, "en", ["fr"], "train").captioned_pictures) == TRAINED - 1
    assert f"{TRAINED - 1} sentences translated, 0 were in" in capsys.readouterr().out
    assert asked == [("en", "fr", None, None)]


def test_captions_of_other_splits_are_left_alone(colours, asked, capsys):
    run(colours, "--to", "fr")

    assert f"{TRAINED - 1} sentences translated, 0 were in" in capsys.readouterr().out


def test_a_second_run_translates_what_the_first_did_not(colours, asked, capsys):
    run(colours, "--to", "fr", "--split", "train")
    capsys.readouterr()
    (colours / "splits" / "train.txt").unlink()
    run(colours, "--to", "fr", "--with", "some/model", "--beams", "4")

    said = capsys.readouterr().out
    assert f"{SENTENCES - TRAINED} sentences translated, {TRAINED - 1} were in" in said
    assert "1 came back empty and were left out." in said
    assert asked[1] == ("en", "fr", "some/model", 4)


def test_where_nothing_is_missing_no_translator_is_needed(colours, asked, capsys):
    (colours / "captions" / "en.tsv").write_text("media_id\tcaption\nblue\tblue\n", encoding="utf-8")
    run(colours, "--to", "fr")
    run(colours, "--to", "fr")

    assert len(asked) == 1
    assert "0 sentences translated, 1 were in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--to", "en"], "captions are in 'en' already"),
        (["--to", "fr", "--from", "cs"], "no captions in 'cs': found de, en"),
        (["--to", "fr", "--split", "test"], "has no split 'test'"),
    ],
)
def test_a_mistake_is_named(argv, message, colours, asked):
    with pytest.raises(UserError, match=message):
        run(colours, *argv)
    assert not asked


def test_a_pair_that_nothing_translates_names_the_ways_out_and_writes_nothing(colours):
    with pytest.raises(UserError, match=r"--with facebook/m2m100_418M.*write pairs/en-xx\.tsv"):
        run(colours, "--to", "xx")
    assert not (colours / "pairs" / "en-xx.tsv").exists()


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="is no captioned-media folder: it needs media/"):
        run(tmp_path, "--to", "fr")

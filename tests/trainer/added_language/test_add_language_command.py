"""`cl2cm add-language`: from pairs, from captions and a translator, and what it says to what cannot be done."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from cl2cm_plugin.encoder import model_info
from cl2cm_plugin.encoder import model_store as installing
from cl2cm_plugin.errors import UserError
from trainer import translation
from trainer.commands import add_language

if TYPE_CHECKING:
    from pathlib import Path


def run(*argv: object) -> int:
    parser = argparse.ArgumentParser()
    add_language.register(parser.add_subparsers())
    arguments = parser.parse_args(["add-language", *map(str, argv)])
    return arguments.run(arguments)


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A recipe of one epoch."""
    file = tmp_path / "short.yaml"
    file.write_text("optimiser: {epochs: 1, batch_size: 4}\n", encoding="utf-8")
    return file


@pytest.mark.usefixtures("model_store")
def test_the_command_adds_a_language_to_an_installed_model(czech, model, short, tmp_path, monkeypatch, capsys):
    installing.install(model, "cl2cm-de")
    monkeypatch.chdir(tmp_path)
    assert run("cs", "--to", "cl2cm-de", "--data", czech, "--recipe", short) == 0

    info = model_info.read(tmp_path / "build" / "models" / "cl2cm-de-cs")
    assert (info.name, info.languages) == ("cl2cm-de-cs", ["en", "de", "cs"])
    said = capsys.readouterr().out
    assert "need no new import" in said
    assert "Next: cl2cm install build/models/cl2cm-de-cs" in said


def test_a_table_of_pairs_is_enough(czech, model, short, tmp_path):
    table = czech / "pairs" / "en-cs.tsv"
    assert (
        run("cs", "--to", model, "--pairs", table, "--recipe", short, "--out", tmp_path / "a", "--name", "mine") == 0
    )

    assert model_info.read(tmp_path / "a").name == "mine"
    with pytest.raises(UserError, match="--pairs holds one language"):
        run("cs", "fr", "--to", model, "--pairs", table)


class Backwards:
    name = "backwards"

    def translate(self, sentences: list[str]) -> list[str]:
        return [sentence[::-1] for sentence in sentences]


@pytest.mark.parametrize("kind", ["corpus", "table", "lines"])
def test_captions_alone_are_translated(kind, czech, model, short, tmp_path, monkeypatch):
    monkeypatch.setattr(translation, "find_translator", lambda *_: Backwards())
    (tmp_path / "captions.txt").write_text("red\ngreen\n\nblue\nred\n", encoding="utf-8")
    captions = {"corpus": czech, "table": czech / "captions" / "en.tsv", "lines": tmp_path / "captions.txt"}[kind]
    out = tmp_path / "out"
    assert run("cs", "--to", model, "--captions", captions, "--recipe", short, "--out", out) == 0

    pairs = (tmp_path / "out.run" / "pairs" / "en-cs.tsv").read_text(encoding="utf-8").splitlines()
    assert len(pairs) == 1 + {"corpus": 12, "table": 16, "lines": 3}[kind]
    assert "red\tder\tmt-backwards" in pairs
    assert "translated by backwards" in (out / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["cs", "--to", "nobody", "--data", "{corpus}"], "No model named 'nobody' is installed"),
        (["xx", "--to", "{model}", "--data", "{corpus}"], "Unknown language 'xx'"),
        (["de", "--to", "{model}", "--data", "{corpus}"], " has de already, among en, de."),
        (["fr", "--to", "{model}", "--data", "{corpus}"], r"no sentence pairs en-fr.*pairs/en-fr\.tsv.*--captions"),
        (["cs", "--to", "{model}", "--data", "{corpus}/absent"], "There is no folder"),
        (["cs", "--to", "{model}", "--data", "{corpus}", "--split", "tset"], "has no split 'tset'"),
        (["cs", "--to", "{model}", "--data", "{corpus}", "--out", "{model}"], "is there already"),
        (["cs", "--to", "{model}", "--pairs", "{corpus}/absent.tsv"], "There is no table"),
        (["cs", "--to", "{model}", "--pairs", "{corpus}/captions/en.tsv"], "lacks the column source and target"),
        (["cs", "--to", "{model}", "--pairs", "{corpus}/empty.tsv"], "holds no sentence pairs"),
        (["cs", "--to", "{model}", "--captions", "{corpus}/absent.txt"], "--captions wants"),
        (["cs", "--to", "{model}", "--captions", "{corpus}/empty.txt"], "holds no captions"),
        (["zu", "--to", "{model}", "--captions", "{corpus}"], "Apertium does not translate en to zu"),
        (["fr", "--to", "{model}", "--captions", "{corpus}", "--beams", "2"], "Apertium searches no beams"),
        (["cs", "--to", "{corpus}", "--data", "{corpus}"], "is a folder without modules.json"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.usefixtures("model_store")
def test_what_cannot_be_done_is_one_clear_sentence(argv, message, czech, model):
    (czech / "empty.tsv").write_text("source\ttarget\n")
    (czech / "empty.txt").write_text("\n\n")

    with pytest.raises(UserError, match=message):
        run(*(word.format(corpus=czech, model=model) for word in argv))


def test_a_model_without_two_towers_is_refused(model, czech):
    (model / "text_2_Dense" / "model.safetensors").unlink()
    (model / "text_2_Dense" / "config.json").unlink()
    (model / "text_2_Dense").rmdir()

    with pytest.raises(UserError, match=r"no model of two towers.*no text_2_Dense"):
        run("cs", "--to", model, "--data", czech)

from __future__ import annotations

import subprocess
import sys

import pytest

from cl2cm_plugin import cli
from cl2cm_plugin.collections import vectorizer_address
from cl2cm_plugin.collections.vectorizer_address import ModelInfo

NOBODY = "http://127.0.0.1:1"


def complaint(capsys, *arguments):
    assert cli.main([str(argument) for argument in arguments]) == 1
    output = capsys.readouterr().err
    assert output.startswith("cl2cm: ")
    assert output.count("\n") == 1
    return output


@pytest.fixture
def vectorizer(monkeypatch):
    monkeypatch.setattr(vectorizer_address, "model_served_at", lambda _: ModelInfo("cl2cm-de", "0" * 16, 8))


def test_a_missing_folder(capsys, vectorizer, tmp_path):
    assert "There is no folder" in complaint(capsys, "import", tmp_path / "none", "--collection", "Photos")


def test_a_name_without_a_capital(capsys, tmp_path):
    assert "capital letter first" in complaint(capsys, "import", tmp_path, "--collection", "photos")


def test_nobody_at_the_vectorizers_address(capsys, tmp_path):
    where = ("--collection", "Photos", "--vectorizer", NOBODY)
    assert f"No vectorizer answers at {NOBODY}" in complaint(capsys, "import", tmp_path, *where)
    assert f"No vectorizer answers at {NOBODY}" in complaint(capsys, "search", "Hund", *where)


def test_an_unreachable_weaviate(capsys, vectorizer, tmp_path, monkeypatch):
    monkeypatch.setenv("WEAVIATE_URL", NOBODY)
    assert f"WEAVIATE_URL={NOBODY}" in complaint(capsys, "import", tmp_path, "--collection", "Photos")


def test_a_sentence_or_a_picture_but_not_both(capsys, vectorizer):
    assert "with a sentence or with a picture" in complaint(capsys, "search", "--collection", "Photos")
    both = ("search", "Hund", "--picture", "a.jpg", "--collection", "Photos")
    assert "with a sentence or with a picture" in complaint(capsys, *both)
    hybrid = ("search", "--picture", "a.jpg", "--hybrid", "--collection", "Photos")
    assert "--hybrid needs words" in complaint(capsys, *hybrid)


@pytest.mark.parametrize("command", ["import", "search"])
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0
    assert f"  cl2cm {command} " in capsys.readouterr().out.partition("examples:")[2]


def test_importing_the_package_needs_no_weaviate():
    code = "import sys, cl2cm_plugin, cl2cm_plugin.commands.collection; sys.exit('weaviate' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

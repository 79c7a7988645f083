"""``cl2cm install``, ``cl2cm models`` and ``cl2cm remove``, as they are typed."""

from __future__ import annotations

import shutil

import pytest

from cl2cm_plugin.cli import main
from cl2cm_plugin.encoder import model_info
from cl2cm_plugin.encoder import model_store as store


@pytest.fixture
def run(capsys, model_store):
    """Run the command in this process; returns (exit status, output, complaint)."""

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_install_models_remove(run, tiny_model_folder):
    fingerprint = model_info.read(tiny_model_folder).fingerprint
    status, output, _ = run("install", tiny_model_folder, "--name", "cl2cm-de")
    assert status == 0
    assert f"Installed cl2cm-de@{fingerprint}: vectors of 8 numbers" in output
    assert 'SentenceTransformer("cl2cm-de")' in output

    status, output, _ = run("models")
    assert status == 0
    header, row = output.strip().splitlines()
    assert header.split() == ["name", "fingerprint", "dimensions", "languages", "licence", "size", "path"]
    assert row.split()[:6] == ["cl2cm-de", fingerprint, "8", "en", "de", "Apache-2.0"]
    assert row.rstrip().endswith(str(store.path("cl2cm-de")))

    assert run("remove", "cl2cm-de") == (0, "Removed cl2cm-de.\n", "")
    status, output, _ = run("models")
    assert status == 0
    assert "No model is installed in" in output
    assert "cl2cm install FOLDER" in output


def test_the_name_is_by_default_the_one_in_the_folder(run, tiny_model_folder, tmp_path):
    copy = shutil.copytree(tiny_model_folder, tmp_path / "run-7")
    run("install", copy)
    (copy / "cl2cm.json").unlink()
    run("install", copy)
    assert [model.name for model in store.installed()] == ["cl2cm-tiny", "run-7"]


def test_facts_that_are_not_known_are_a_dash(run, tiny_model_folder, tmp_path):
    copy = shutil.copytree(tiny_model_folder, tmp_path / "bare", ignore=shutil.ignore_patterns("cl2cm.json"))
    run("install", copy)
    assert run("models")[1].splitlines()[1].split()[3:5] == ["-", "-"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["remove", "cl2cm-xx"], "No model named 'cl2cm-xx' is installed"),
        (["install", "nowhere"], "There is no folder"),
        (["install", "nowhere", "--name", "a/b"], "'a/b' cannot be a model's name"),
        (["install", "."], "it has no modules.json"),
    ],
)
def test_a_mistake_is_one_clear_sentence_and_status_1(run, monkeypatch, tmp_path, arguments, complaint):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    status, output, error = run(*arguments)
    assert (status, output) == (1, "")
    assert error.startswith("cl2cm: ")
    assert complaint in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("command", ["install", "models", "remove"])
def test_the_help_has_an_example(capsys, command):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"example: cl2cm {command}" in capsys.readouterr().out

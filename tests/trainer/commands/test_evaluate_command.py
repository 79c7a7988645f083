from __future__ import annotations

import json

import pytest

from cl2cm_plugin import cli


@pytest.fixture
def evaluate(tiny_model_folder, colours, tmp_path, monkeypatch):
    """Evaluate the tiny model on the eight colours, in a folder of this test alone: ``evaluate(options)``."""
    monkeypatch.chdir(tmp_path)
    return lambda *options: cli.main(["evaluate", str(tiny_model_folder), "--data", str(colours), *options])


@pytest.fixture
def sourced(colours):
    """The colours with captions from two sources, one of them parallel."""
    rows = [f"{name}\t{name}\ttranslated" for name in ("red", "blue", "pink")] + ["red\ta red one\tpeople"]
    (colours / "captions" / "en.tsv").write_text("media_id\tcaption\tsource\n" + "\n".join(rows), encoding="utf-8")
    (colours / "corpus.yaml").write_text("name: colours\nparallel_source: translated\n", encoding="utf-8")


def test_an_evaluation_prints_a_table_and_writes_a_report_under_the_models_name(evaluate, tmp_path, capsys):
    assert evaluate() == 0

    printed = capsys.readouterr().out
    assert "SumR" in printed
    assert "build/evaluation/cl2cm-tiny/report.md" in printed
    folder = tmp_path / "build" / "evaluation" / "cl2cm-tiny"
    assert {file.name for file in folder.iterdir()} == {
        *("report.json", "report.md", "r10-by-language.png", "r10-by-length.png"),
        *("failures-de.png", "failures-en.png"),
    }


def test_figures_alone_come_as_json_by_language(evaluate, tmp_path):
    assert evaluate("--languages", "en", "--split", "held-out", "--json", "new/figures.json", "--out", "out") == 0

    figures = json.loads((tmp_path / "new" / "figures.json").read_text())
    assert set(figures) == {"en"}
    assert set(figures["en"]) == {"text_to_image", "image_to_text", "sum_r"}
    assert figures["en"]["text_to_image"]["gallery"] == 2
    assert (tmp_path / "out" / "report.json").is_file()
    assert not (tmp_path / "build").exists()


def test_parallel_captions_have_a_row_of_their_own(evaluate, sourced, tmp_path, capsys):
    assert evaluate("--languages", "en", "--json", "figures.json") == 0

    figures = json.loads((tmp_path / "figures.json").read_text())["en"]
    assert (figures["text_to_image"]["queries"], figures["parallel"]["text_to_image"]["queries"]) == (4, 3)
    assert "A parallel caption says the same in every language" in capsys.readouterr().out


def test_queries_are_restricted_to_sources_and_the_gallery_is_not(evaluate, sourced, tmp_path):
    assert evaluate("--languages", "en", "--queries", "people", "--json", "figures.json") == 0

    asked = json.loads((tmp_path / "figures.json").read_text())["en"]["text_to_image"]
    assert (asked["queries"], asked["gallery"]) == (1, 8)


def test_sources_that_a_language_lacks_are_one_clear_sentence(evaluate, sourced, capsys):
    assert evaluate("--languages", "en", "--queries", "robots") == 1
    assert "no captions in 'en' from robots: found people, translated" in capsys.readouterr().err


def test_languages_without_captions_are_left_out_unless_they_are_asked_for(evaluate, colours, tmp_path, capsys):
    (colours / "captions" / "de.tsv").unlink()

    assert evaluate("--split", "held-out", "--json", "figures.json") == 0
    assert set(json.loads((tmp_path / "figures.json").read_text())) == {"en"}
    assert evaluate("--languages", "en", "de") == 1
    assert "no captions in 'de': found en" in capsys.readouterr().err


def test_captions_in_no_language_of_the_model_are_one_clear_sentence(evaluate, colours, capsys):
    for file in (colours / "captions").iterdir():
        file.rename(file.with_name("fr.tsv")) if file.name == "en.tsv" else file.unlink()

    assert evaluate() == 1
    assert "cl2cm-tiny knows en, de, and" in capsys.readouterr().err


def test_a_model_of_texts_alone_is_one_clear_sentence(tmp_path, colours, capsys):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import BoW

    SentenceTransformer(modules=[BoW(["red", "blue"])], device="cpu").save(str(tmp_path / "texts"))

    assert cli.main(["evaluate", str(tmp_path / "texts"), "--data", str(colours), "--languages", "en"]) == 1
    assert "texts encodes no pictures, so it cannot find any." in capsys.readouterr().err


def test_a_model_that_names_no_languages_needs_them_named(tiny_model_folder, colours, tmp_path, capsys, monkeypatch):
    import shutil

    monkeypatch.chdir(tmp_path)
    plain = tmp_path / "plain"
    shutil.copytree(tiny_model_folder, plain, ignore=shutil.ignore_patterns("cl2cm.json"))

    assert cli.main(["evaluate", str(plain), "--data", str(colours)]) == 1
    assert "--languages en de" in capsys.readouterr().err
    assert cli.main(["evaluate", str(plain), "--data", str(colours), "--languages", "en"]) == 0
    assert (tmp_path / "build" / "evaluation" / "plain" / "report.md").is_file()

from __future__ import annotations

import json
import re

import matplotlib
import matplotlib.pyplot as plt
import pytest
from PIL import Image

from trainer.evaluation import plots, report_folder
from trainer.evaluation.caption_length import LengthGroup
from trainer.evaluation.picture_hits import PictureHits
from trainer.evaluation.report_folder import Evaluation
from trainer.evaluation.significance import Interval, compare


@pytest.fixture
def evaluation(toy_corpus, measure):
    return Evaluation("cl2cm-toy", toy_corpus, "all", [], measure(["en", "de", "zh"], "all"))


def test_the_report_holds_figures_lengths_failures_and_hits(evaluation, tmp_path):
    report_folder.write(evaluation, tmp_path / "out")
    read = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))

    assert (read["model"], read["corpus"], read["split"], read["query_sources"]) == ("cl2cm-toy", "toy", "all", [])
    english, german, chinese = read["languages"].values()
    assert english["text_to_image"]["queries"] == 4
    assert english["parallel"]["text_to_image"]["queries"] == 2
    assert german["parallel"]["sum_r"] == german["sum_r"]
    assert "parallel" not in chinese
    assert english["failures"][0] == {"caption": "sun-b", "media_id": "sun", "rank": 3, "found": ["bee", "ant"]}
    assert sum(group["queries"] for group in english["by_length"]) == 4


def test_runs_can_be_compared_from_their_reports_alone(evaluation, tmp_path):
    report_folder.write(evaluation, tmp_path)
    languages = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["languages"]
    all_hits, parallel_hits = (
        PictureHits.from_dict(values["hits"]) for values in (languages["en"], languages["en"]["parallel"])
    )

    assert compare([all_hits], [evaluation.results["en"].all.hits]) == Interval(0, 0, 0)
    assert compare([parallel_hits], [evaluation.results["en"].parallel.hits]) == Interval(0, 0, 0)


def test_every_picture_that_the_report_links_is_there(evaluation, tmp_path):
    report_folder.write(evaluation, tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")

    linked = re.findall(r"\]\((.*?)\)", text)
    assert linked == ["r10-by-language.png", "r10-by-length.png", "failures-en.png", "failures-de.png"]
    for name in linked:
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 100
    assert text.startswith("# cl2cm-toy on toy, split all\n")
    assert "| 3 | sun-b | sun | bee, ant |" in text
    assert "Every caption found its picture first." in text


def test_a_sheet_of_an_earlier_report_does_not_stay(evaluation, tmp_path):
    (tmp_path / "failures-zh.png").touch()
    report_folder.write(evaluation, tmp_path)

    assert not (tmp_path / "failures-zh.png").exists()


def test_the_title_says_which_captions_asked(evaluation, toy_corpus):
    title = Evaluation("m", toy_corpus, None, ["people", "parallel"], evaluation.results).title

    assert title == "m on toy, all pictures, queries people and parallel"


def test_plots_leave_the_callers_matplotlib_alone(evaluation, tmp_path):
    backend, open_figures = matplotlib.get_backend(), plt.get_fignums()
    plots.plot_languages(evaluation.results, tmp_path / "languages.png")
    plots.plot_lengths({"en": [LengthGroup(1, 1, 3, 50.0)]}, tmp_path / "lengths.png")

    assert (matplotlib.get_backend(), plt.get_fignums()) == (backend, open_figures)


def drawn(monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "_save", lambda figure, _: figures.append(figure))
    return figures


def test_bars_stand_for_all_and_for_parallel_captions(evaluation, tmp_path, monkeypatch):
    figures = drawn(monkeypatch)
    plots.plot_languages(evaluation.results, tmp_path / "plot.png")

    (axes,) = figures[0].axes
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    assert heights == [[100, 100, 100], [100, 100]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["en", "de", "zh"]
    assert "percent" in axes.get_ylabel()


def test_lengths_have_a_panel_a_language_with_its_unit(tmp_path, monkeypatch):
    figures = drawn(monkeypatch)
    groups = {name: [LengthGroup(1, 3, 5, 80.0), LengthGroup(4, 4, 5, 40.0)] for name in ("en", "de", "fr", "zh")}
    plots.plot_lengths(groups, tmp_path / "plot.png")

    assert [axes.get_title() for axes in figures[0].axes] == ["en", "de", "fr", "zh"]
    assert figures[0].axes[0].get_xlabel() == "words in the caption"
    assert figures[0].axes[3].get_xlabel() == "characters in the caption"
    assert [label.get_text() for label in figures[0].axes[0].get_xticklabels()] == ["1–3", "4"]  # noqa: RUF001
    assert [bar.get_height() for bar in figures[0].axes[0].containers[0]] == [80, 40]

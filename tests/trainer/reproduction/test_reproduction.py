"""A plan's runs are made once, wherever their results came from, and the report says what they found."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cl2cm_plugin.errors import UserError
from trainer import corpus
from trainer.reproduction import learning_code, plan, plots, report, results, tables
from trainer.reproduction.reproduce import Reproduction

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def planned(text_backbone: Path, image_backbone: Path) -> Callable[..., plan.Plan]:
    def make(**runs: dict[str, Any]) -> plan.Plan:
        optimiser = {"epochs": 1, "batch_size": 4}
        base = {
            "model": {"text": str(text_backbone), "image": str(image_backbone), "dimensions": 8, "vocabulary": "all"},
            "cross_lingual": {"optimiser": optimiser},
            "cross_modal": {"optimiser": optimiser},
        }
        systems = runs or {
            "cl2cm": {"label": "CL2CM", "seeds": [0, 1], "quick": True},
            "plain": {
                "label": "Translate-train",
                "changes": {"cross_lingual.optimiser.epochs": 0, "cross_modal.distillation": {"form": "off"}},
            },
        }
        return plan.Plan.model_validate(
            {
                "title": "Test",
                "gallery": "train",
                "languages": ["en"],
                "base": base,
                "runs": systems,
                "tables": {"Headline": list(systems)},
            }
        )

    return make


@pytest.fixture
def reproduction_of(colours: Path, tmp_path: Path) -> Callable[..., Reproduction]:
    def make(of: plan.Plan, work: str = "work", **choices: Any) -> Reproduction:
        return Reproduction(of, corpus.read(colours), tmp_path / work, tmp_path / "results", **choices)

    return make


def test_first_seeds_come_first_and_quick_takes_one_seed(planned):
    assert [run.title for run in plan.runs(planned())] == ["cl2cm, seed 0", "plain, seed 0", "cl2cm, seed 1"]
    assert [run.title for run in plan.runs(planned(), quick=True)] == ["cl2cm, seed 0"]


def test_quick_changes_the_base_recipe_and_a_system_keeps_its_own_lines(planned):
    runs = {
        "cl2cm": {"label": "CL2CM", "quick": True},
        "plain": {
            "label": "Translate-train",
            "quick": True,
            "changes": {"cross_lingual.optimiser.epochs": 0},
        },
    }
    quick = planned(**runs).model_copy(update={"quick": {"cross_lingual.optimiser.epochs": 7}})

    made = {run.name: run.recipe.cross_lingual.optimiser.epochs for run in plan.runs(quick, quick=True)}
    assert made == {"cl2cm": 7, "plain": 0}
    assert {run.recipe.cross_lingual.optimiser.epochs for run in plan.runs(quick)} == {1, 0}


def test_changes_reach_the_recipe_by_dotted_name(planned):
    _, plain, _ = plan.runs(planned())

    assert plain.recipe.cross_lingual.optimiser.epochs == 0
    assert plain.recipe.cross_lingual.optimiser.batch_size == 4
    assert plain.recipe.cross_modal.distillation.form == "off"


def test_a_wrong_line_names_the_run(planned):
    wrong = planned(bad={"label": "x", "changes": {"model.colour": 1}})

    with pytest.raises(UserError, match=r"(?s)run bad .*colour"):
        list(plan.runs(wrong))


def test_every_shipped_plan_is_well_formed():
    for name in ("cl2cm", "video"):
        made = list(plan.runs(plan.load(name)))
        assert len({run.title for run in made}) == len(made) <= 50
    assert list(plan.runs(plan.load("cl2cm"), quick=True))


def test_what_is_done_is_not_made_again_on_any_machine(planned, reproduction_of, monkeypatch):
    reproduction_of(planned()).make()
    monkeypatch.setattr("trainer.reproduction.reproduce.fit", lambda *_, **__: pytest.fail("made again"))

    elsewhere = reproduction_of(planned(), work="elsewhere")
    elsewhere.make()
    assert [result.name for _, result in elsewhere.finished()] == ["cl2cm", "plain", "cl2cm"]


def test_only_some_systems_can_be_made(planned, reproduction_of):
    reproduction = reproduction_of(planned())
    reproduction.make(["plain"])

    assert [run.name for run, _ in reproduction.finished()] == ["plain"]


def test_a_system_that_the_plan_has_not_is_named(planned, reproduction_of):
    with pytest.raises(UserError, match="The plan has no system 'plane': there are cl2cm, plain"):
        reproduction_of(planned()).make(["cl2cm", "plane"])


def test_another_recipe_or_other_code_is_another_run(planned, reproduction_of, monkeypatch):
    first = reproduction_of(planned())
    keys = [first.key(run) for run in first.runs]
    assert len(set(keys)) == 3

    monkeypatch.setattr("trainer.reproduction.reproduce.learning_code", lambda: "other")
    other = reproduction_of(planned())
    assert not set(keys) & {other.key(run) for run in other.runs}


def test_comments_and_docstrings_do_not_change_what_is_learned():
    plain = learning_code._meaning("def f(x):\n    return x + 1\n")

    assert plain == learning_code._meaning('"""Doc."""\n\ndef f(x):  # why\n    """Doc."""\n    return x + 1\n')
    assert plain != learning_code._meaning("def f(x):\n    return x + 2\n")
    assert len(learning_code.learning_code()) == 16


def test_code_that_learns_the_same_counts_as_the_code_before(monkeypatch):
    today = learning_code._hashed(learning_code._places())
    monkeypatch.setattr(learning_code, "_SAME", {today: "earlier", "earlier": "first"})
    assert learning_code.learning_code() == "first"
    monkeypatch.setattr(learning_code, "_SAME", {})
    assert learning_code.learning_code() == today


def test_a_language_is_added_to_the_model_of_another_system(planned, reproduction_of, colours, tmp_path):
    names = (colours / "captions" / "en.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [f"{row.split(chr(9))[1]}\t{row.split(chr(9))[1][::-1]}" for row in names]
    (colours / "pairs" / "en-cs.tsv").write_text("\n".join(["source\ttarget", *rows]) + "\n", encoding="utf-8")
    start = {"label": "German"}
    addition = {"to": "german", "languages": ["cs"], "settings": {"optimiser": {"epochs": 1, "batch_size": 4}}}
    added = {"label": "Czech added", "adds": addition}
    of = planned(german=start, czech=added)
    made = reproduction_of(of)
    made.make(["czech"])

    (folder,) = (tmp_path / "work" / "runs").glob("czech-seed0-*")
    extended = json.loads((folder / "model" / "cl2cm.json").read_text(encoding="utf-8"))
    assert extended["languages"] == ["en", "de", "cs"]
    ((_, result),) = made.finished()
    assert result.recipe["adds"]["languages"] == ["cs"]
    # Another way of adding is another run, of the same model to start from.
    german, czech = (made.key(run) for run in made.runs)
    addition["settings"] = {"optimiser": {"epochs": 2, "batch_size": 4}}
    other = reproduction_of(planned(german=start, czech=added))
    assert other.key(other.runs[0]) == german
    assert other.key(other.runs[1]) != czech


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"adds": {"to": "nobody", "languages": ["cs"]}}, "adds to a system that the plan does not train"),
        ({"adds": {"to": "czech", "languages": ["cs"]}}, "adds to a system that the plan does not train"),
        ({"adds": {"to": "german", "languages": ["cs"]}, "changes": {"seed": 1}}, "leave out changes"),
    ],
)
def test_an_addition_needs_a_system_to_start_from_and_has_its_recipe(line, said, planned):
    with pytest.raises(ValueError, match=said):
        planned(german={"label": "x"}, czech={"label": "x", **line})


def test_the_report_has_every_system_and_says_what_is_missing(planned, reproduction_of, tmp_path):
    reproduction = reproduction_of(planned())
    reproduction.make(["cl2cm"])
    files = report.write(planned(), reproduction, "test", tmp_path / "results", tmp_path / "docs")
    text = (tmp_path / "docs" / "test.md").read_text(encoding="utf-8")

    assert "2 of 3 runs are done: 2 in 0.0 hours (" in text
    assert "| CL2CM | 2 |" in text
    assert "Translate-train" not in text
    assert all(file.is_file() for file in files)
    figures = json.loads((tmp_path / "results" / "test.json").read_text(encoding="utf-8"))
    assert [entry["seed"] for entry in figures] == [0, 1]
    drawn = report.state(reproduction)
    assert drawn.row_count == 3


def test_a_system_may_stand_in_several_tables_and_the_first_is_compared(planned, reproduction_of):
    reproduction = reproduction_of(planned())
    reproduction.make()
    of = planned().model_copy(update={"tables": {"One": ["cl2cm"], "Other": ["plain", "cl2cm"]}})
    one, other = tables.report(of, reproduction.finished(), 3).split("## Other")
    assert "| CL2CM | 2 |" in one
    assert "minus the other" not in one
    assert "Translate-train minus the other" in other


def test_a_table_waits_for_a_system_of_its_own(planned, reproduction_of):
    reproduction = reproduction_of(planned())
    reproduction.make(["cl2cm"])
    of = planned().model_copy(update={"tables": {"One": ["cl2cm"], "Other": ["plain", "cl2cm"]}})

    assert "## Other" not in tables.report(of, reproduction.finished(), 3)


def test_a_curve_goes_through_what_is_known(planned, reproduction_of, tmp_path, monkeypatch):
    reproduction = reproduction_of(planned())
    lines = {"ours": {0: "cl2cm", 20: "plain"}, "theirs": {0: "plain"}}
    curve = {"along": "noise", "language": "en", "lines": lines}
    of = plan.Plan.model_validate({**planned().model_dump(), "curves": {"Noise": curve}})
    drawn = []
    monkeypatch.setattr(plots, "_curve", lambda points, *_: drawn.append(points) or tmp_path)
    reproduction.make(["cl2cm"])
    plots.draw(of, reproduction.finished(), tmp_path)
    # One point is none yet.
    assert drawn == []

    mean = np.mean([result.sum_r("en") for _, result in reproduction.finished()])
    reproduction.make()
    plots.draw(of, reproduction.finished(), tmp_path)
    (plain,) = (result.sum_r("en") for run, result in reproduction.finished() if run.name == "plain")
    assert drawn == [{"ours": [(0, pytest.approx(mean)), (20, plain)], "theirs": [(0, plain)]}]


def test_a_curve_is_a_file(planned, reproduction_of, tmp_path):
    reproduction = reproduction_of(planned())
    reproduction.make()
    curve = {"along": "noise", "language": "en", "lines": {"ours": {0: "cl2cm", 20: "plain"}}}
    of = plan.Plan.model_validate({**planned().model_dump(), "curves": {"Noise and more": curve}})

    assert tmp_path / "noise-and-more.png" in plots.draw(of, reproduction.finished(), tmp_path)
    assert (tmp_path / "noise-and-more.png").is_file()


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({"tables": {"One": ["cl2cm"]}}, "no table shows plain"),
        ({"tables": {"One": ["cl2cm", "plain", "other"]}}, "that the plan does not train: other"),
        (
            {"curves": {"One": {"along": "x", "language": "en", "lines": {"ours": {0: "nobody"}}}}},
            "that the plan does not train: nobody",
        ),
    ],
)
def test_tables_and_curves_show_what_is_trained(shown, said, planned):
    with pytest.raises(ValueError, match=said):
        plan.Plan.model_validate({**planned().model_dump(), **shown})


def test_systems_are_compared_with_an_interval(planned, reproduction_of):
    reproduction = reproduction_of(planned())
    reproduction.make()
    text = tables.report(planned(), reproduction.finished(), 3)

    finished = reproduction.finished()
    ours = np.mean([result.sum_r("en") for run, result in finished if run.name == "cl2cm"])
    (theirs,) = (result.sum_r("en") for run, result in finished if run.name == "plain")
    assert f"{ours - theirs:+.1f} [" in text
    assert f"], {100 * ours / theirs:.0f} %" in text


def test_languages_are_compared_with_the_first_on_parallel_queries_run_by_run():
    def result(en, de):
        return SimpleNamespace(sum_r=lambda language, kind: {"en": en, "de": de, "zh": math.nan}[language])

    known = {"cl2cm": (SimpleNamespace(label="CL2CM"), [result(200.0, 180.0), result(100.0, 80.0)])}

    assert tables._shares(known, ["en", "de", "zh"])[-1] == "| CL2CM | 85.0 ± 5.0 | - |"


def test_a_result_that_is_none_is_named(tmp_path):
    file = tmp_path / "x.json"
    file.write_text("{}", encoding="utf-8")

    with pytest.raises(UserError, match=r"x\.json is no result"):
        results.read(file)

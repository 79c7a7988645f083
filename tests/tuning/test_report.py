from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser

import pytest

from tuning import plots
from tuning.report import write
from tuning.trial import Resources, Study
from tuning.trials import TrialRecord

ODD = "a|b `c` *d* _e_ __init__.py <script>alert(1)</script> [x](y) \\ & \x1b[31mred\nnext"


@pytest.fixture(autouse=True)
def _without_plots(monkeypatch):
    """What is drawn is tested on its own, and takes time."""
    monkeypatch.setattr(plots, "draw", lambda study, objectives, folder: [folder / "history.png"])


@pytest.fixture
def report(trials, space_of):
    """Write the report of a search on the small space, with other lines: Markdown."""

    def written(**lines):
        study = Study(space_of(**lines), "data", trials.folder.parent, Resources())
        trials.folder.mkdir(parents=True, exist_ok=True)
        file = write(study, trials)
        assert file == trials.folder.parent / "report" / "report.md"
        return file.read_text(encoding="utf-8")

    return written


class Page(HTMLParser):
    """Tags, cells and title of a page."""

    def __init__(self, text) -> None:
        super().__init__()
        self.tags, self.cells, self.title, self._inside = [], [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag in ("td", "th", "title"):
            self._inside = tag
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data):
        if self._inside == "title":
            self.title += data
        elif self._inside:
            self.cells[-1] += data


@pytest.fixture
def page(trials, report):
    def read(**lines):
        report(**lines)
        return Page((trials.folder.parent / "report" / "report.html").read_text(encoding="utf-8"))

    return read


def rows(text, heading):
    """The rows of the table below a heading, the head among them."""
    part = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line for line in part.splitlines() if line.startswith("|") and "---" not in line]


def test_a_search_without_trials_says_so(report):
    text = report()

    assert text.startswith("# Small\n\n0 of 8 trials, 0:00:00 hours of trials, seed 0.")
    assert "No trial came to an end." in text
    assert "Too few trials came to an end" in text
    assert "## What failed" not in text
    assert "## Trained in full" not in text


def test_one_trial_is_the_best(report, add):
    add(1, 200.04, seconds=75.0)
    text = report()

    assert "1 of 8 trials (1 finished), 0:01:15 hours" in text
    assert rows(text, "Best trials") == [
        "| trial | SumR | time | temperature | distillation |",
        "| 1 | 200.0 | 0:01:15 | 0.02 | off |",
    ]


def test_many_trials_are_counted_by_state_and_the_ten_best_are_shown(report, add):
    for number in range(1, 15):
        add(number, 200.0 + number)
    add(15, 900.0, state="pruned")
    add(16, 901.0, state="out of time")
    add(17, 902.0, state="failed", reason="no")
    add(18, 903.0, state="running")
    text = report()

    assert "18 of 8 trials (14 finished, 1 pruned, 1 out of time, 1 failed, 1 running)" in text
    assert "A pruned trial was stopped, because it was behind others that had come as far." in text
    best = [int(row.split("|")[1]) for row in rows(text, "Best trials")[1:]]
    assert best == [16, 14, 13, 12, 11, 10, 9, 8, 7, 6]
    assert rows(text, "What mattered")[0] == "| parameter | importance |"
    assert "![The best figure so far, trial by trial](history.png)" in text


def test_the_trial_of_the_base_recipe_is_named(report, add, space_of):
    add(1, 200.0, chosen=space_of().defaults())
    add(2, 210.0)

    assert "Trial 1 is the base recipe." in report()


def test_failures_have_their_reasons_and_values(report, add):
    add(1, 200.0)
    add(2, state="failed", reason="Out of memory.\nTry a smaller batch_size.")

    assert rows(report(), "What failed")[1:] == [
        "| 2 | Out of memory. Try a smaller batch_size. | temperature 0.04, distillation off |"
    ]


def test_several_objectives_have_a_column_each_and_a_pareto_front(report, add):
    for number, speed in ((1, 900.0), (2, 800.0), (3, 700.0), (4, 650.0)):
        add(number, figures={"sum_r": 200.0 + (number != 3) * number, "texts_per_second": speed})
    add(5, 300.0, state="pruned")
    text = report(objectives=["sum_r", "texts_per_second"])

    assert rows(text, "Best trials")[:2] == [
        "| trial | SumR | texts a second | time | temperature | distillation |",
        "| 4 | 204.0 | 650.0 | 0:01:00 | 0.08 | off |",
    ]
    assert "No other trial beats these in every objective: 1, 2, 4." in text
    assert "Texts a second are what the finished model encodes on a CPU." in text


def test_one_objective_has_no_pareto_front(report, add):
    add(1, 200.0)

    assert "in every objective" not in report()


def test_confirmed_candidates_come_with_their_seeds_the_best_first(report, add, trials):
    add(1, 200.0)
    candidates = [
        {"name": "base recipe", "chosen": {}, "figures": [298.0, 299.0], "reason": ""},
        {"name": "trial 2", "chosen": {}, "figures": [], "reason": "The run failed: no"},
        {"name": "trial 1", "chosen": {"cross_modal.temperature": 0.1}, "figures": [305.04, 306.04], "reason": ""},
        {"name": "trial 3", "chosen": {"cross_modal.temperature": 0.2}, "figures": [math.nan], "reason": ""},
    ]
    (trials.folder.parent / "confirmed.json").write_text(json.dumps(candidates))
    text = report(confirm={"seeds": [0, 1]})

    assert "trained in full with 2 seeds, the dev cut still kept back. The winner is trial 1." in text
    assert rows(text, "Trained in full") == [
        "| recipe | SumR | by seed | values |",
        "| trial 1 | 305.5 ± 0.7 | 305.0, 306.0 | temperature 0.1 |",
        "| base recipe | 298.5 ± 0.7 | 298.0, 299.0 | its own |",
        "| trial 2 | - |  | The run failed: no |",
        "| trial 3 | - | - | temperature 0.2 |",
    ]


def test_what_sharing_saved_is_said(report, add, trials):
    networks = trials.folder.parent / "networks"
    for key in ("one", "two", "three.training"):
        (networks / key).mkdir(parents=True)
    for key in ("one", "two"):
        (networks / key / "text.safetensors").touch()
    for number in range(1, 6):
        record = add(number, 200.0)
        for progress, phase in ((70.0, "projections"), (100.0, "finished")):
            made = 120.0 if number < 3 else 0.0
            report_of = {"progress": progress, "phase": phase, "seconds": 200.0, "sum_r": 1.0, "network_seconds": made}
            trials.note(record, report_of)
    add(6, state="failed", reason="no")
    text = report()

    # Two trials made a network, which took two minutes each; three had it for nothing.
    assert "Trials share 2 cross-lingual networks: the first trial that needs one trains it." in text
    assert "3 trials took one that was there, which saved about 0:06:00 hours of training." in text


def test_nothing_is_said_of_sharing_where_there_is_none(report, add):
    add(1, 200.0)

    assert "share" not in report()


def test_odd_characters_stay_what_they_are(page, add):
    add(1, 200.0)
    add(2, state="failed", reason=ODD)
    read = page(title="A <b>title</b> & more")

    assert read.title == "A <b>title</b> & more"
    assert not {"script", "b", "em", "strong", "code", "a"} & set(read.tags)
    assert "a|b `c` *d* _e_ __init__.py <script>alert(1)</script> [x](y) \\ & [31mred next" in read.cells


def test_a_page_has_every_cell_of_the_markdown(page, add, report):
    for number in range(1, 6):
        add(number, 200.0 + number)
    add(6, state="failed", reason="a|b|c")
    text = report()
    lines = [line for line in text.splitlines() if line.startswith("|") and "---" not in line]
    cells = [cell.strip().replace("\\|", "|") for line in lines for cell in re.split(r"(?<!\\)\|", line)[1:-1]]

    assert page().cells == cells
    assert text.count("\n## ") == page().tags.count("h2") == 3


def test_the_same_trials_give_the_same_report(report, add):
    for number in range(1, 9):
        add(number, 200.0 + number * 7 % 5)

    assert report() == report()


def test_a_damaged_trial_costs_its_own_row_alone(report, add, trials):
    for number in (1, 2):
        add(number, 200.0)
    (trials.folder / "1" / "trial.json").write_text("{")

    assert [row.split("|")[1].strip() for row in rows(report(), "Best trials")[1:]] == ["2"]


def test_a_trial_without_a_figure_that_ended_is_counted_and_not_ranked(report, trials):
    trials.write(TrialRecord(1, {}, "finished", {"sum_r": math.nan}))
    text = report()

    assert "1 of 8 trials (1 finished)" in text
    assert "No trial came to an end." in text

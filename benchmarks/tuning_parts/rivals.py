"""Two searches of one space: pruned with shared networks, and at random without either."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from matplotlib import pyplot
from rich.table import Table

from tuning import spaces
from tuning.cluster import connected
from tuning.search import search
from tuning.search_folder import alone, begin, check_is_own
from tuning.trial import Resources, Study

from . import machine

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from tuning.trials import TrialRecord

# Seconds of trials so far, and the best figure so far.
Course = list[tuple[float, float]]


def compare(space: str, data: str, trials: int, out: Path, console: Console) -> None:
    """Run both searches, or go on with them, and print at which cost each reached what.

    Args:
        space: The space by name or file.
        data: The corpus.
        trials: How many trials each search has.
        out: Where both are kept.
        console: For the table.
    """
    both = spaces.load(space, trials=trials)
    plain = both.model_copy(update={"sampler": "random", "pruning": None})
    resources = Resources(cpus=machine.cores())
    studies = {
        "TPE, ASHA, shared networks": Study(both, data, out / "pruned", resources),
        "random, alone": Study(plain, data, out / "random", resources, share_networks=False),
    }
    objective = both.objectives[0]
    courses: dict[str, Course] = {}
    for name, study in studies.items():
        check_is_own(study, resume=True)
        study.storage.mkdir(parents=True, exist_ok=True)
        with alone(study.storage), connected(machine.cores(), study.storage / "ray.log", dashboard=True):
            begin(study)
            found = search(study, concurrent=1, keep=0)
        courses[name] = _course(found.all(), objective, both.defaults())
    _print(courses, console)
    _draw(courses, objective, out / "searches.png")
    facts = {"space": space, "trials": trials, "seed": both.seed, "machine": machine.name(), "courses": courses}
    (out / "searches.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def seconds_to(course: Course, figure: float) -> float:
    """How long a search took to reach a figure; infinite if it never did."""
    return next((seconds for seconds, best in course if best >= figure), float("inf"))


def _course(records: list[TrialRecord], objective: str, base: dict[str, Any]) -> Course:
    """Follow a search through its trials; one that was pruned, or is the base recipe, costs its time and no more.

    Both searches begin with the base recipe: were it the best, it would tell nothing of how they search.
    """
    course, seconds, best = [], 0.0, float("-inf")
    for record in records:
        seconds += record.seconds
        if record.state == "finished" and record.chosen != base:
            best = max(best, record.figure(objective))
        course.append((seconds, best))
    return course


def _print(courses: dict[str, Course], console: Console) -> None:
    (pruned, random) = courses.values()
    aim = random[-1][1]
    table = Table("search", "trials", "seconds", "best on dev", f"seconds to {aim:.1f}")
    for name, course in courses.items():
        seconds, best = course[-1]
        table.add_row(name, str(len(course)), f"{seconds:.0f}", f"{best:.1f}", f"{seconds_to(course, aim):.0f}")
    console.print(table)
    found = seconds_to(pruned, aim)
    console.print(
        f"The best of the random search was reached at {found / random[-1][0]:.2f} of what the random search cost in "
        f"all, and at {found / seconds_to(random, aim):.2f} of what it had cost when it found it; {machine.name()}.",
        highlight=False,
    )


def _draw(courses: dict[str, Course], objective: str, file: Path) -> None:
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for name, course in courses.items():
        axes.step([seconds / 60 for seconds, _ in course], [best for _, best in course], where="post", label=name)
    axes.set(xlabel="minutes of trials", ylabel=f"best {objective} on dev")
    axes.legend()
    figure.savefig(file, dpi=110, bbox_inches="tight")
    pyplot.close(figure)

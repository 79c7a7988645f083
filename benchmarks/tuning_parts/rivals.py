"""Two searches of one space: pruned with shared networks, and at random without either."""

from __future__ import annotations

import json
import os
import shutil
from statistics import median
from typing import TYPE_CHECKING

from matplotlib import pyplot
from rich.table import Table

from cl2cm_plugin.encoder.backbones import made_once
from trainer.recipe import changed
from tuning import spaces
from tuning.cluster import connected
from tuning.parameters import Choices
from tuning.search import search
from tuning.search_folder import alone, begin, check_is_own
from tuning.trial import Resources, Study

from . import machine

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from tuning.space import Space
    from tuning.trials import TrialRecord

_LAYERS = "model.trained_layers"
PRUNED, RANDOM = "TPE, ASHA, shared networks", "random, alone"

# Seconds of trials so far, and the best figure so far.
Course = list[tuple[float, float]]


def compare(space: str, data: str, trials: int, seeds: list[int], out: Path, console: Console) -> None:
    """Run both searches with every seed, or go on with them, and print at which cost each reached what.

    Args:
        space: The space by name or file.
        data: The corpus.
        trials: How many trials each search has.
        seeds: Of the searches; the runs keep the recipe's own.
        out: Where all are kept.
        console: For the tables.
    """
    common = spaces.load(space, trials=1)
    cache = out / "cache"
    _compute_what_is_frozen(common, data, out, cache)
    both: list[dict[str, Course]] = []
    for seed in seeds:
        pruned = common.model_copy(update={"trials": trials, "seed": seed})
        folder = out / f"seed-{seed}"
        studies = {
            PRUNED: Study(pruned, data, folder / "pruned", _resources()),
            RANDOM: Study(at_random(pruned), data, folder / "random", _resources(), share_networks=False),
        }
        courses = {name: course(_run(study, _own_cache(study, cache)), study.space) for name, study in studies.items()}
        both.append(courses)
        console.print(_table(courses, f"seed {seed}"))
    _conclude(both, console)
    _draw(both, common.objectives[0], out / "searches.png")
    facts = {"space": space, "trials": trials, "seeds": seeds, "machine": machine.name(), "courses": both}
    (out / "searches.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def seconds_to(course: Course, figure: float) -> float:
    """How long a search took to reach a figure; infinite if it never did."""
    return next((seconds for seconds, best in course if best >= figure), float("inf"))


def _compute_what_is_frozen(space: Space, data: str, out: Path, cache: Path) -> None:
    """Compute features of pictures and sentences, below as many layers as any trial trains; they count for none."""
    parameter = space.parameters.get(_LAYERS)
    differing = [{_LAYERS: layers} for layers in parameter.choices] if isinstance(parameter, Choices) else [{}]
    for number, changes in enumerate(differing):
        base = space.model_copy(update={"recipe": changed(space.recipe, changes), "trials": 1})
        _run(Study(at_random(base), data, out / f"frozen-{number}", _resources(), share_networks=False), cache)


def _own_cache(study: Study, cache: Path) -> Path:
    """Give a search a cache of its own that begins with what is frozen: none finds states of another's networks.

    Files are linked, not copied; whoever adds to a cache writes new ones.
    """
    own = study.storage.with_name(f"{study.storage.name}-cache")
    return made_once(own, lambda folder: shutil.copytree(cache, folder, copy_function=os.link, dirs_exist_ok=True))


def _resources() -> Resources:
    return Resources(cpus=machine.cores())


def at_random(space: Space) -> Space:
    """The space for the other search."""
    return space.model_copy(update={"sampler": "random", "pruning": None})


def _run(study: Study, cache: Path) -> list[TrialRecord]:
    """Run a search, or what is missing of it."""
    os.environ["CL2CM_CACHE"] = str(cache)
    check_is_own(study, resume=True)
    study.storage.mkdir(parents=True, exist_ok=True)
    with alone(study.storage), connected(machine.cores(), study.storage / "ray.log", dashboard=True):
        begin(study)
        return search(study, concurrent=1, keep=0).all()


def course(records: list[TrialRecord], space: Space) -> Course:
    """Follow a search through its trials; one that was pruned, or is the base recipe, costs its time and no more.

    Both searches begin with the base recipe: were it the best, it would tell nothing of how they search.
    """
    course, seconds, best = [], 0.0, float("-inf")
    for record in records:
        seconds += record.seconds
        if record.state == "finished" and record.chosen != space.defaults():
            best = max(best, record.figure(space.objectives[0]))
        course.append((seconds, best))
    return course


def _table(courses: dict[str, Course], title: str) -> Table:
    aim = courses[RANDOM][-1][1]
    table = Table("search", "trials", "seconds", "best on dev", f"seconds to {aim:.1f}", title=title)
    for name, course in courses.items():
        seconds, best = course[-1]
        table.add_row(name, str(len(course)), f"{seconds:.0f}", f"{best:.1f}", f"{seconds_to(course, aim):.0f}")
    return table


def _conclude(both: list[dict[str, Course]], console: Console) -> None:
    """Say at which part of its cost the best of each random search was reached: the median, and by seed."""
    of_all, of_finding = [], []
    for courses in both:
        random = courses[RANDOM]
        found = seconds_to(courses[PRUNED], random[-1][1])
        of_all.append(found / random[-1][0])
        of_finding.append(found / seconds_to(random, random[-1][1]))
    console.print(
        f"The best of the random search was reached at {_listed(of_all)} of what that search cost in all, and at "
        f"{_listed(of_finding)} of what it had cost when it found it; {machine.name()}.",
        highlight=False,
    )


def _listed(shares: list[float]) -> str:
    return f"{median(shares):.2f} ({', '.join(f'{share:.2f}' for share in shares)})"


def _draw(both: list[dict[str, Course]], objective: str, file: Path) -> None:
    drawing, axes = pyplot.subplots(figsize=(7, 4))
    for courses in both:
        for (name, course), colour in zip(courses.items(), ("C0", "C1"), strict=True):
            minutes, best = [seconds / 60 for seconds, _ in course], [figure for _, figure in course]
            axes.step(minutes, best, colour, where="post", label=name if courses is both[0] else None)
    axes.set(xlabel="minutes of trials", ylabel=f"best {objective} on dev")
    axes.legend()
    drawing.savefig(file, dpi=110, bbox_inches="tight")
    pyplot.close(drawing)

"""One recipe by plain Lightning, by Ray Train with one worker, and with two: seconds by the clock, side by side.

Ray's workers also measure the dev cut and report, ten times a phase, as they do in a search.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from trainer import recipe as recipes
from tuning.cluster import connected
from tuning.reports import Reports
from tuning.space import Space
from tuning.task import TRAINING_SECONDS
from tuning.trial import Resources, Study, run

from . import machine

if TYPE_CHECKING:
    from rich.console import Console

    from trainer.recipe import Recipe

_WAYS = {"plain Lightning": 0, "Ray Train, 1 worker": 1, "Ray Train, 2 workers": 2}
_ROUNDS = 2


def compare(name: str, data: str, out: Path, console: Console) -> None:
    """Train the recipe in each way, turn by turn, and print what each took.

    Args:
        name: The recipe by name or file.
        data: The corpus.
        out: Where runs are kept; one that is done is not done again.
        console: For the table.
    """
    recipe = recipes.load(name, dev_pictures=100)
    seconds: dict[str, list[float]] = {way: [] for way in _WAYS}
    trained: dict[str, list[float]] = {way: [] for way in _WAYS}
    # The first run computes what is frozen, and counts for none.
    for turn in range(_ROUNDS + 1):
        for way, workers in _WAYS.items():
            folder = out / f"{way.replace(' ', '-').replace(',', '')}-{turn}"
            found = _timed(recipe, data, folder, workers)
            if turn:
                seconds[way].append(found)
                trained[way] += [_in_worker(folder)] if workers else []
            console.print(f"{way}: {found:.0f} s" + ("" if turn else " (with what is computed once)"), highlight=False)
            if not turn:
                break
    table = Table("way", "seconds", "of these in the worker's run", "against plain")
    plain = min(seconds["plain Lightning"])
    for way, found in seconds.items():
        inside = f"{min(trained[way]):.0f}" if trained[way] else ""
        table.add_row(way, f"{min(found):.0f}", inside, f"{min(found) / plain:.2f}")
    console.print(table)
    console.print(f"{machine.name()}; best of {_ROUNDS}, turn by turn; recipe {name}.", highlight=False)
    facts = {"recipe": name, "machine": machine.name(), "seconds": seconds, "in_worker": trained}
    (out / "overhead.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _timed(recipe: Recipe, data: str, folder: Path, workers: int) -> float:
    """Train in a process of its own, start and end included; a run that is there says what it took."""
    note = folder / "seconds.json"
    if note.is_file():
        return float(json.loads(note.read_text(encoding="utf-8")))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe.model_dump(mode="json")), encoding="utf-8")
    start = time.perf_counter()
    if workers:
        process = multiprocessing.get_context("spawn").Process(target=_by_ray, args=(recipe, data, folder, workers))
        process.start()
        process.join()
        if process.exitcode:
            raise RuntimeError(f"The run in {folder} failed.")
    else:
        command = [Path(sys.executable).with_name("cl2cm"), "train", file, "--data", data, "--out", folder / "run"]
        subprocess.run([*command, "--evaluate-on"], check=True, capture_output=True)
    seconds = time.perf_counter() - start
    note.write_text(json.dumps(seconds), encoding="utf-8")
    return seconds


def _in_worker(folder: Path) -> float:
    """Seconds of the run in its first worker; the rest is Ray's start, that of the workers, and their end."""
    return float(Reports(folder / "run").last()[TRAINING_SECONDS])


def _by_ray(recipe: Recipe, data: str, folder: Path, workers: int) -> None:
    nothing = {"title": "overhead", "recipe": "openmoji", "parameters": {"seed": {"from": 0, "to": 1}}}
    resources = Resources(workers, machine.cores() // workers)
    study = Study(Space.model_validate(nothing), data, folder, resources, share_networks=False)
    with connected(machine.cores(), folder / "ray.log", dashboard=True):
        reason = run(study.task(recipe.model_dump(), folder / "run"), study, "run", [])
    if reason or not Reports(folder / "run").all():
        raise RuntimeError(f"{folder} has no run: {reason}")

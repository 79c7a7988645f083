"""Plots of a reproduction."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from trainer.reproduction.tables import shown, systems

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from trainer.reproduction.plan import Curve, Plan, PlannedRun
    from trainer.reproduction.results import RunResult
    from trainer.reproduction.tables import Systems


def draw(plan: Plan, finished: Sequence[tuple[PlannedRun, RunResult]], folder: Path) -> list[Path]:
    """Draw one chart a table, SumR of its systems by language with every seed as a dot, and the plan's curves.

    Args:
        plan: The plan.
        finished: The runs that are done.
        folder: Where to put the pictures.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = systems(finished)
    files = [
        _bars(of_table, plan.languages, title, folder / f"{_file_name(title)}.png")
        for title, of_table in shown(plan, known).items()
    ]
    for title, curve in plan.curves.items():
        lines = {label: _points(line, curve.language, known) for label, line in curve.lines.items()}
        # One point is no curve.
        if any(len(points) > 1 for points in lines.values()):
            files.append(_curve(lines, curve, title, folder / f"{_file_name(title)}.png"))
    return files


def _file_name(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _points(line: dict[float, str], language: str, known: Systems) -> list[tuple[float, float]]:
    """Of a curve's line what is known: place and SumR, mean over seeds."""
    there = sorted((place, known[name][1]) for place, name in line.items() if name in known)
    return [(place, float(np.mean([result.sum_r(language) for result in results]))) for place, results in there]


def _curve(lines: dict[str, list[tuple[float, float]]], curve: Curve, title: str, file: Path) -> Path:
    with _chart(title, (6, 4), file) as axes:
        for label, points in lines.items():
            axes.plot([place for place, _ in points], [value for _, value in points], "o-", label=label)
        axes.set_xlabel(curve.along)
        axes.set_ylabel(f"SumR {curve.language}, all queries")
        axes.legend(fontsize=7)
    return file


def _bars(known: Systems, languages: list[str], title: str, file: Path) -> Path:
    with _chart(title, (1.6 + 1.5 * len(languages), 4), file) as axes:
        width = 0.8 / len(known)
        for number, (planned, results) in enumerate(known.values()):
            places = np.arange(len(languages)) + (number - (len(known) - 1) / 2) * width
            values = np.asarray([[result.sum_r(language) for language in languages] for result in results])
            axes.bar(places, values.mean(axis=0), width, label=planned.label)
            for of_seed in values:
                axes.plot(places, of_seed, ".", color="black", markersize=3)
        axes.set_xticks(range(len(languages)), languages)
        axes.set_ylabel("SumR, all queries")
        axes.legend(fontsize=7, ncols=2)
    return file


@contextmanager
def _chart(title: str, size: tuple[float, float], file: Path) -> Iterator[Axes]:
    """Give the axes of a chart, and write it."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=size)
    axes.set_title(title)
    yield axes
    figure.tight_layout()
    figure.savefig(file, dpi=120, metadata={"Software": ""})
    plt.close(figure)

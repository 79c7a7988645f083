"""Plots of a reproduction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainer.reproduction.tables import systems

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.reproduction.plan import Plan, PlannedRun
    from trainer.reproduction.results import RunResult
    from trainer.reproduction.tables import Systems


def draw(plan: Plan, finished: Sequence[tuple[PlannedRun, RunResult]], folder: Path) -> list[Path]:
    """Draw one chart a part: SumR of its systems by language, with every seed as a dot.

    Args:
        plan: The plan.
        finished: The runs that are done.
        folder: Where to put the pictures.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = systems(finished)
    parts = dict.fromkeys(planned.part for planned, _ in known.values())
    files = []
    for part in parts:
        of_part = {name: known[name] for name in known if known[name][0].part == part}
        files.append(_bars(of_part, plan.languages, part, folder / f"{part.replace(' ', '-')}.png"))
    return files


def _bars(known: Systems, languages: list[str], part: str, file: Path) -> Path:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(1.6 + 1.5 * len(languages), 4))
    width = 0.8 / len(known)
    for number, (planned, results) in enumerate(known.values()):
        places = np.arange(len(languages)) + (number - (len(known) - 1) / 2) * width
        values = np.asarray([[result.sum_r(language) for language in languages] for result in results])
        axes.bar(places, values.mean(axis=0), width, label=planned.label)
        for of_seed in values:
            axes.plot(places, of_seed, ".", color="black", markersize=3)
    axes.set_xticks(range(len(languages)), languages)
    axes.set_ylabel("SumR, all queries")
    axes.set_title(part)
    axes.legend(fontsize=7, ncols=2)
    figure.tight_layout()
    figure.savefig(file, dpi=120, metadata={"Software": ""})
    plt.close(figure)
    return file

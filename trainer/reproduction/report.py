"""Write what a reproduction found: results/<name>.json, tables and plots."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.table import Table

from trainer.reproduction import plots, tables

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.reproduction.plan import Plan
    from trainer.reproduction.reproduce import Reproduction


def state(reproduction: Reproduction) -> Table:
    """Draw a table of what is done and what is not."""
    drawn = Table(title="Runs")
    for column in ("system", "seed", "seconds"):
        drawn.add_column(column)
    for run in reproduction.runs:
        result = reproduction.result(run)
        done = f"{result.seconds:.0f}" if result else "to do"
        drawn.add_row(run.name, str(run.recipe.seed), done)
    return drawn


def write(plan: Plan, reproduction: Reproduction, name: str, results: Path, documents: Path) -> list[Path]:
    """Write figures, tables and plots of the runs that are done.

    Args:
        plan: The plan.
        reproduction: Its runs.
        name: Name of the files.
        results: Where the JSON file goes.
        documents: Where the Markdown file and the plots go.

    Returns:
        The files written.
    """
    finished = reproduction.finished()
    figures = [
        {
            "system": run.name,
            "seed": result.seed,
            "key": result.key,
            "figures": result.figures,
        }
        for run, result in finished
    ]
    results.mkdir(parents=True, exist_ok=True)
    documents.mkdir(parents=True, exist_ok=True)
    numbers, text = results / f"{name}.json", documents / f"{name}.md"
    numbers.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    drawn = plots.draw(plan, finished, documents / name) if finished else []
    pictures = "\n".join(f"![{file.stem}]({name}/{file.name})" for file in drawn)
    table = tables.report(plan, finished, len(reproduction.runs))
    text.write_text(f"{table}\n{pictures}\n", encoding="utf-8")
    return [numbers, text, *drawn]

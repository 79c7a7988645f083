"""The report of a reproduction in Markdown: tables of systems, comparisons with intervals, single runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainer.evaluation.significance import compare
from trainer.reproduction.results import ALL, PARALLEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.reproduction.plan import Plan, PlannedRun, PlannedRuns
    from trainer.reproduction.results import RunResult

    Systems = dict[str, tuple[PlannedRuns, list[RunResult]]]


def systems(finished: Sequence[tuple[PlannedRun, RunResult]]) -> Systems:
    """Put the seeds of each system together, systems in the order of the plan."""
    found: Systems = {}
    for run, result in finished:
        found.setdefault(run.name, (run.planned, []))[1].append(result)
    return found


def shown(plan: Plan, known: Systems) -> dict[str, Systems]:
    """Put systems into the plan's tables; a table waits until it has one that no table before it has."""
    tables: dict[str, Systems] = {}
    for title, names in plan.tables.items():
        before = {name for table in tables.values() for name in table}
        of_table = {name: known[name] for name in names if name in known}
        if set(of_table) - before:
            tables[title] = of_table
    return tables


def report(plan: Plan, finished: Sequence[tuple[PlannedRun, RunResult]], planned: int) -> str:
    """Write the report of what is done.

    Args:
        plan: The plan.
        finished: The runs that are done.
        planned: How many there are in all.

    Returns:
        Markdown.
    """
    known = systems(finished)
    lines = [
        f"# {plan.title}",
        "",
        f"{len(finished)} of {planned} runs are done: {_machines([result for _, result in finished])}. Where a "
        "processor multiplies in bfloat16 (bf16), layers and projections learn in it, elsewhere in single precision. "
        "Hours are processor time over the number of cores.",
        "",
        f"SumR is the sum of R@1, R@5 and R@10 in both directions (0 to 600), on the split `{plan.gallery}`; mean "
        "over seeds, and half the distance between the best and the worst seed.",
    ]
    for title, of_table in shown(plan, known).items():
        lines += ["", f"## {title}", ""]
        for kind, name in ((ALL, "All queries"), (PARALLEL, "Parallel queries: the same content in every language")):
            lines += [f"{name}:", "", *_sum_r_table(of_table, plan.languages, kind), ""]
        lines += [*_shares(of_table, plan.languages), ""]
        lines += _comparisons(of_table, plan)
    lines += ["", "## Single figures", "", *_single_figures(known, plan.languages), ""]
    return "\n".join(lines)


def _machines(results: Sequence[RunResult]) -> str:
    """Say what ran where, and for how long."""
    parts = []
    for machine in sorted({result.machine for result in results}):
        seconds = [result.seconds for result in results if result.machine == machine]
        parts.append(f"{len(seconds)} in {sum(seconds) / 3600:.1f} hours ({machine})")
    return " and ".join(parts) or "none"


def _sum_r_table(known: Systems, languages: list[str], kind: str) -> list[str]:
    lines = ["| system | seeds | " + " | ".join(languages) + " |", "|---|---:|" + "---:|" * len(languages)]
    for planned, results in known.values():
        cells = [_mean_and_spread([result.sum_r(language, kind) for result in results]) for language in languages]
        lines.append(f"| {planned.label} | {len(results)} | " + " | ".join(cells) + " |")
    return lines


def _shares(known: Systems, languages: list[str]) -> list[str]:
    """Compare the other languages with the first, run by run, on queries that say the same in both."""
    first, *others = languages
    lines = [
        f"SumR on the parallel queries in percent of the same run's in {first}:",
        "",
        "| system | " + " | ".join(others) + " |",
        "|---|" + "---:|" * len(others),
    ]
    for planned, results in known.values():
        shares = (
            [100 * result.sum_r(language, PARALLEL) / result.sum_r(first, PARALLEL) for result in results]
            for language in others
        )
        lines.append(f"| {planned.label} | " + " | ".join(map(_mean_and_spread, shares)) + " |")
    return lines


def _mean_and_spread(values: list[float]) -> str:
    if np.isnan(values).all():
        return "-"
    spread = (max(values) - min(values)) / 2
    return f"{np.mean(values):.1f}" + (f" ± {spread:.1f}" if len(values) > 1 else "")


def _comparisons(known: Systems, plan: Plan) -> list[str]:
    """Compare the first system of a table with all others, language by language."""
    first, *others = known
    if not others:
        return []
    planned, results = known[first]
    lines = [
        f"Difference in SumR, {planned.label} minus the other, all queries, with 95 % interval (paired bootstrap over "
        "the pictures of the gallery; bold where 0 lies outside), and in percent of the other:",
        "",
        "| other | " + " | ".join(plan.languages) + " |",
        "|---|" + "---:|" * len(plan.languages),
    ]
    for name in others:
        other, theirs = known[name]
        cells = [_difference(results, theirs, language) for language in plan.languages]
        lines.append(f"| {other.label} | " + " | ".join(cells) + " |")
    return lines


def _difference(ours: list[RunResult], theirs: list[RunResult], language: str) -> str:
    hits = [[result.hits_of(language) for result in side] for side in (ours, theirs)]
    interval = compare(hits[0], hits[1])
    text = f"{interval.difference:+.1f} [{interval.low:+.1f}, {interval.high:+.1f}]"
    mean = np.mean([result.sum_r(language, ALL) for result in theirs])
    share = f", {100 * (1 + interval.difference / mean):.0f} %" if mean else ""
    return (f"**{text}**" if interval.low > 0 or interval.high < 0 else text) + share


def _single_figures(known: Systems, languages: list[str]) -> list[str]:
    columns = ("R@1", "R@5", "R@10", "median rank")
    head = [f"{direction} {column}" for direction in ("text to image", "image to text") for column in columns]
    lines = ["| system | language | queries | " + " | ".join(head) + " |", "|---|---|---|" + "---:|" * len(head)]
    for planned, results in known.values():
        for language in languages:
            for kind in (ALL, PARALLEL):
                found = [r.figures[language][kind] for r in results if kind in r.figures.get(language, {})]
                if found:
                    lines.append(f"| {planned.label} | {language} | {kind} | " + " | ".join(_figures(found)) + " |")
    return lines


def _figures(found: list[dict[str, dict[str, float]]]) -> list[str]:
    names = ("r1", "r5", "r10", "median_rank")
    return [
        f"{np.mean([figures[direction][name] for figures in found]):.1f}"
        for direction in ("text_to_image", "image_to_text")
        for name in names
    ]

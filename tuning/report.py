"""The report of a search, in Markdown and HTML: best trials, what mattered, what failed, what sharing saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuning.comparison import compared
from tuning.table import short_names, shown, values
from tuning.trials import STATES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuning.trial import Study
    from tuning.trials import TrialRecord, Trials

_BEST = 10
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }}
table {{ border-collapse: collapse; }} td, th {{ border: 1px solid #ccc; padding: .2em .6em; text-align: left; }}
img {{ max-width: 100%; }}
</style></head><body>
{body}</body></html>
"""


def write(study: Study, trials: Trials) -> Path:
    """Write ``report/report.md``, ``report.html`` and the plots into the search's folder.

    Args:
        study: The search.
        trials: Its trials.

    Returns:
        The Markdown file.
    """
    from markdown_it import MarkdownIt

    folder = study.storage / "report"
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(part for part in _parts(study, trials, folder) if part) + "\n"
    file = folder / "report.md"
    file.write_text(text, encoding="utf-8")
    body = MarkdownIt("commonmark").enable("table").render(text)
    file.with_suffix(".html").write_text(_PAGE.format(title=study.space.title, body=body), encoding="utf-8")
    return file


def _parts(study: Study, trials: Trials, folder: Path) -> list[str]:
    from tuning.plots import draw, importances, study_of

    space, records = study.space, trials.all()
    proposed = study_of(space, records, space.objectives)
    pictures = draw(proposed, space.objectives, folder)
    return [
        f"# {space.title}",
        _summary(study, records),
        "## Trained in full" if compared(study) else "",
        _compared(study),
        "## Best trials",
        _trials(trials.ranked(space.objectives[0])[:_BEST], study),
        _importances(importances(proposed, space.objectives)),
        *(f"![{file.stem}]({file.name})" for file in pictures),
        _failures(records),
    ]


def _summary(study: Study, records: list[TrialRecord]) -> str:
    counts = {state: sum(record.state == state for record in records) for state in STATES}
    states = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    networks = len(list(study.networks.glob("*/text.safetensors")))
    seconds = sum(record.seconds for record in records)
    lines = [
        f"{len(records)} of {study.space.trials} trials ({states}), {seconds / 3600:.2f} hours of trials, seed "
        f"{study.space.seed}. Figures are those of the dev cut: SumR, from 0 to 600, mean over the target languages."
    ]
    if networks:
        lines.append(f"They share {networks} cross-lingual network(s): the first trial that needs one trains it.")
    return " ".join(lines)


def _compared(study: Study) -> str:
    found = sorted(compared(study), key=lambda candidate: -candidate.mean)
    rows = [
        (
            c.name,
            f"{c.mean:.1f}",
            f"{c.spread:.1f}",
            ", ".join(f"{value:.1f}" for value in c.figures),
            values(c.chosen),
        )
        for c in found
    ]
    return _markdown(("recipe", study.space.objectives[0], "spread", "seeds", "values"), rows) if rows else ""


def _trials(best: list[TrialRecord], study: Study) -> str:
    names = short_names(list(study.space.parameters))
    head = ("trial", *study.space.objectives, "seconds", *names.values())
    rows = [
        (
            str(trial.number),
            *(shown(trial.figure(objective)) for objective in study.space.objectives),
            f"{trial.seconds:.0f}",
            *(shown(trial.chosen.get(name, "")) for name in names),
        )
        for trial in best
    ]
    return _markdown(head, rows) if rows else "No trial came to an end."


def _importances(found: dict[str, float]) -> str:
    if not found:
        return "Too few trials came to an end to say which parameters matter."
    rows = [(name, f"{share:.2f}") for name, share in found.items()]
    table = _markdown(("parameter", "importance"), rows)
    return f"## What mattered\n\nShare of the variance that each parameter explains (fANOVA).\n\n{table}"


def _failures(records: list[TrialRecord]) -> str:
    rows = [(str(record.number), record.reason, values(record.chosen)) for record in records if record.reason]
    return f"## What failed\n\n{_markdown(('trial', 'reason', 'values'), rows)}" if rows else ""


def _markdown(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in [head, *rows]]
    lines = ["| " + " | ".join(row) + " |" for row in escaped]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])

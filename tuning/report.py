"""The report of a search, in Markdown and HTML: best trials, what mattered, what failed, what sharing saved."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from tuning.comparison import compared, in_full
from tuning.objectives import words
from tuning.task import FAILED, NETWORK_SECONDS, PHASE, SHARED_PHASES, TEXTS_PER_SECOND
from tuning.trials import STATES
from tuning.winner import ranked
from tuning.wording import counted, duration, figure, short_names, shown, values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuning.trial import Study
    from tuning.trials import TrialRecord, Trials
    from tuning.winner import Confirmed

_BEST = 10
# What Markdown would read as its own; an underscore inside a word is none.
_MARKUP = re.compile(r"[\\`*<>\[\]|&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
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
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    page = _PAGE.format(title=html.escape(study.space.title), body=body)
    file.with_suffix(".html").write_text(page, encoding="utf-8")
    return file


def _parts(study: Study, trials: Trials, folder: Path) -> list[str]:
    from tuning import plots

    space, records = study.space, trials.all()
    proposed = plots.study_of(space, records, space.objectives)
    pictures = plots.draw(proposed, space.objectives, folder)
    front = plots.pareto_front(proposed) if len(space.objectives) > 1 else []
    return [
        f"# {_plain(space.title)}",
        _summary(study, records),
        _sharing(study, trials, records),
        _confirmed(study, compared(study)),
        "## Best trials",
        _trials(trials.ranked(space.objectives[0])[:_BEST], study),
        f"No other trial beats these in every objective: {', '.join(map(str, front))}." if front else "",
        "## What mattered",
        _importances(plots.importances(proposed), space.objectives[0]),
        *(f"![{plots.CAPTIONS[file.stem]}]({file.name})" for file in pictures),
        _failures(records),
    ]


def _summary(study: Study, records: list[TrialRecord]) -> str:
    space, base = study.space, study.space.defaults()
    counts = {state: sum(record.state == state for record in records) for state in STATES}
    states = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    seconds = sum(record.seconds for record in records)
    lines = [
        f"{len(records)} of {space.trials} trials{f' ({states})' if states else ''}, {duration(seconds)} hours of "
        f"trials, seed {space.seed}. Figures are those of the dev cut: SumR, from 0 to 600, is the mean over the "
        "target languages."
    ]
    if TEXTS_PER_SECOND in space.objectives:
        lines.append("Texts a second are what the finished model encodes on a CPU.")
    if counts["pruned"]:
        lines.append("A pruned trial was stopped, because it was behind others that had come as far.")
    lines += [f"Trial {record.number} is the base recipe." for record in records if record.chosen == base]
    return " ".join(lines)


def _sharing(study: Study, trials: Trials, records: list[TrialRecord]) -> str:
    """Say what it saved that trials share cross-lingual networks."""
    networks = len(list(study.networks.glob("*/text.safetensors")))
    trained, took = [], 0
    for record in records:
        reports = trials.reports(record)
        if seconds := max((report.get(NETWORK_SECONDS, 0) for report in reports), default=0):
            trained.append(seconds)
        elif any(report[PHASE] not in (*SHARED_PHASES, FAILED) for report in reports):
            took += 1
    if not networks:
        return ""
    said = f"Trials share {counted(networks, 'cross-lingual network')}: the first trial that needs one trains it."
    if trained and took:
        saved = duration(took * sum(trained) / len(trained))
        said += f" {counted(took, 'trial')} took one that was there, which saved about {saved} hours of training."
    return said


def _confirmed(study: Study, found: list[Confirmed]) -> str:
    if not found:
        return ""
    objective = study.space.objectives[0]
    candidates = ranked(found, objective)
    rows = [
        (
            candidate.name,
            in_full(candidate),
            ", ".join(map(figure, candidate.figures)),
            candidate.reason or values(candidate.chosen) or "its own",
        )
        for candidate in candidates
    ]
    table = _markdown(("recipe", words(objective), "by seed", "values"), rows)
    seeds = counted(len(study.space.confirm.seeds), "seed")
    said = (
        f"The base recipe and the best trials, trained in full with {seeds}, the dev cut still kept back. The winner "
        f"is {candidates[0].name}."
    )
    return f"## Trained in full\n\n{said}\n\n{table}"


def _trials(best: list[TrialRecord], study: Study) -> str:
    names = short_names(list(study.space.parameters))
    head = ("trial", *map(words, study.space.objectives), "time", *names.values())
    rows = [
        (
            str(trial.number),
            *(figure(trial.figure(objective)) for objective in study.space.objectives),
            duration(trial.seconds),
            *(shown(trial.chosen.get(name, "")) for name in names),
        )
        for trial in best
    ]
    return _markdown(head, rows) if rows else "No trial came to an end."


def _importances(found: dict[str, float], objective: str) -> str:
    if not found:
        return "Too few trials came to an end to say which parameters matter, or all have the same figure."
    rows = [(name, f"{share:.2f}") for name, share in found.items()]
    table = _markdown(("parameter", "importance"), rows)
    return f"Share of the variance of {words(objective)} that each parameter explains (fANOVA).\n\n{table}"


def _failures(records: list[TrialRecord]) -> str:
    rows = [(str(record.number), record.reason, values(record.chosen)) for record in records if record.reason]
    return f"## What failed\n\n{_markdown(('trial', 'reason', 'values'), rows)}" if rows else ""


def _markdown(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(map(_plain, row)) + " |" for row in [head, *rows]]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def _plain(text: str) -> str:
    """Write text that somebody else made, on one line, as it is."""
    printable = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    return _MARKUP.sub(r"\\\g<0>", printable)

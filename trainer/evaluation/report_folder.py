"""Everything about one evaluation in one folder: figures, plots, and the queries that fail."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from trainer.evaluation import plots, report
from trainer.evaluation.caption_length import by_length
from trainer.evaluation.failures import draw_failures, worst

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.evaluation.caption_length import LengthGroup
    from trainer.evaluation.failures import Failure
    from trainer.evaluation.measurement import LanguageResult

LANGUAGES_PLOT, LENGTHS_PLOT = "r10-by-language.png", "r10-by-length.png"


@dataclass(frozen=True)
class Evaluation:
    """What was evaluated, on what, and what came out.

    Attributes:
        model: The model, as the reader knows it.
        corpus: Where pictures and captions are from.
        split: The gallery; all pictures if None.
        sources: Sources of the captions that asked; all if empty.
        results: What was measured, by language.
    """

    model: str
    corpus: CaptionedMedia
    split: str | None
    sources: Sequence[str]
    results: dict[str, LanguageResult]

    @property
    def title(self) -> str:
        """One line that says what was evaluated."""
        gallery = f"split {self.split}" if self.split else "all pictures"
        queries = f", queries {' and '.join(self.sources)}" if self.sources else ""
        return f"{self.model} on {self.corpus.name}, {gallery}{queries}"


def figures(results: dict[str, LanguageResult]) -> dict[str, Any]:
    """Return the figures as plain values for JSON: those of all captions, by language, and inside ``parallel``."""
    return {
        language: {
            **result.all.figures.as_dict(),
            **({"parallel": result.parallel.figures.as_dict()} if result.parallel else {}),
        }
        for language, result in results.items()
    }


def write(evaluation: Evaluation, folder: Path) -> None:
    """Write ``report.md``, ``report.json``, plots and a contact sheet of failures a language.

    Args:
        evaluation: What to report.
        folder: Made if absent; files of an earlier report are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = evaluation.results
    lengths = {language: by_length(result.all) for language, result in results.items()}
    failures = {language: worst(result.all) for language, result in results.items()}
    plots.plot_languages(results, folder / LANGUAGES_PLOT)
    plots.plot_lengths(lengths, folder / LENGTHS_PLOT)
    for language, of_language in failures.items():
        sheet = folder / _sheet(language)
        sheet.unlink(missing_ok=True)
        if of_language:
            title = f"{evaluation.model}: worst queries, {language}"
            draw_failures(of_language, evaluation.corpus, title, len(results[language].all.media_ids), sheet)
    content = json.dumps(_json(evaluation, lengths, failures), indent=1, ensure_ascii=False)
    (folder / "report.json").write_text(content + "\n", encoding="utf-8")
    (folder / "report.md").write_text(_markdown(evaluation, failures), encoding="utf-8")


def _json(
    evaluation: Evaluation, lengths: dict[str, list[LengthGroup]], failures: dict[str, list[Failure]]
) -> dict[str, Any]:
    languages = figures(evaluation.results)
    for language, result in evaluation.results.items():
        entry = languages[language]
        entry["hits"] = result.all.hits.as_dict()
        if result.parallel:
            entry["parallel"]["hits"] = result.parallel.hits.as_dict()
        entry["by_length"] = [asdict(group) for group in lengths[language]]
        entry["failures"] = [failure.as_dict() for failure in failures[language]]
    return {
        "model": evaluation.model,
        "corpus": evaluation.corpus.name,
        "split": evaluation.split,
        "query_sources": list(evaluation.sources),
        "languages": languages,
    }


def _markdown(evaluation: Evaluation, failures: dict[str, list[Failure]]) -> str:
    parts = [
        f"# {evaluation.title}",
        "T2I finds pictures by captions, I2T captions by pictures; R@k is the share of queries in percent with a "
        "right answer among the first k, SumR the sum of the six. Ties count against the model.",
        report.markdown(report.labelled(evaluation.results)),
        report.note(evaluation.results),
        f"![R@10 by language]({LANGUAGES_PLOT})",
        f"![R@10 by length of the caption]({LENGTHS_PLOT})",
    ]
    for language, of_language in failures.items():
        parts += [f"## Worst queries: {language}", *_failures(language, of_language)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _failures(language: str, failures: list[Failure]) -> list[str]:
    if not failures:
        return ["Every caption found its picture first."]
    lines = ["| rank | caption | picture | found instead |", "|---:|---|---|---|"]
    for failure in failures:
        caption = " ".join(failure.caption.split()).replace("|", "\\|")
        lines.append(f"| {failure.rank} | {caption} | {failure.media_id} | {', '.join(failure.found)} |")
    return [f"![The worst queries]({_sheet(language)})", "\n".join(lines)]


def _sheet(language: str) -> str:
    return f"failures-{language}.png"

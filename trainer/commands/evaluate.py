"""``cl2cm evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.commands import add_command
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    import argparse

    from cl2cm_plugin.encoder.model_info import ModelInfo
    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.evaluation.report_folder import Evaluation

HELP = """\
Measure how well a model finds pictures by captions and captions by pictures:
R@1, R@5, R@10 and the median rank in both directions, and SumR, per language.
MODEL is an installed name or a folder of any sentence-transformers model.

Prints a table, and writes the figures (report.json, report.md), plots, and contact
sheets of the queries that fail worst (one of a picture at most) to a folder. Where some
captions say the same in every language (parallel), they are counted separately, too, so
that languages compare.
"""

EXAMPLES = """\
examples:
  cl2cm evaluate cl2cm-de --data openmoji --split held-out --languages en de
  cl2cm evaluate build/runs/french/model --data archive/ --split test --queries people
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``evaluate``."""
    parser = add_command(subparsers, "evaluate", "measure a model's retrieval", HELP, EXAMPLES)
    parser.add_argument("model", metavar="MODEL", help="an installed name, or a model folder")
    parser.add_argument("--data", metavar="DATA", required=True, help="a folder of captioned media, or openmoji")
    parser.add_argument("--split", metavar="SPLIT", help="the pictures to choose from (all)")
    parser.add_argument(
        "--languages", metavar="LANGUAGE", nargs="+", help="languages of the queries (all with captions)"
    )
    parser.add_argument(
        "--queries", metavar="SOURCE", nargs="+", default=[], help="only captions from these sources ask (all)"
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="for the report (build/evaluation/<model>)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures alone there as well")
    parser.set_defaults(run=run_evaluate, extra="train", runs_models=True)


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Evaluate a model, print a table and write a report.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0.

    Raises:
        UserError: There is no such model, corpus or split, or no caption to ask with.
    """
    from rich.console import Console

    from trainer.console import quiet_libraries
    from trainer.evaluation import report, report_folder

    quiet_libraries()
    evaluation = _evaluate(arguments)
    folder = arguments.out or Path("build") / "evaluation" / Path(evaluation.model).resolve().name
    report_folder.write(evaluation, folder)
    if arguments.json:
        _write_figures(evaluation, arguments.json)
    console = Console()
    console.print(report.table(report.labelled(evaluation.results), evaluation.title))
    lines = filter(None, [report.note(evaluation.results), f"Report: {folder / 'report.md'}"])
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
    return 0


def _evaluate(arguments: argparse.Namespace) -> Evaluation:
    from sentence_transformers import SentenceTransformer

    from cl2cm_plugin.encoder import model_info, model_store
    from trainer.console import say
    from trainer.corpus import read_corpus
    from trainer.corpus.damaged_media import left_out, splits_without_damaged
    from trainer.evaluation.encode import encoders
    from trainer.evaluation.measurement import measure_split
    from trainer.evaluation.report_folder import Evaluation

    folder = model_store.resolve(arguments.model)
    corpus = read_corpus(arguments.data)
    corpus, damaged = splits_without_damaged(corpus, [arguments.split])
    if damaged:
        say(left_out(damaged))
    info = model_info.read(folder) if (folder / model_info.FILE_NAME).is_file() else None
    languages = arguments.languages or _languages(folder, info, corpus, arguments.split)
    model = SentenceTransformer(str(folder), local_files_only=True)
    if "image" not in model.modalities:
        raise UserError(f"{arguments.model} encodes no pictures, so it cannot find any.")
    encode = encoders(model)
    results = measure_split(corpus, arguments.split, languages, *encode, arguments.queries)
    return Evaluation(info.name if info else arguments.model, corpus, arguments.split, arguments.queries, results)


def _languages(folder: Path, info: ModelInfo | None, corpus: CaptionedMedia, split: str | None) -> list[str]:
    """Take the model's languages in which the pictures have captions."""
    if not (info and info.languages):
        raise UserError(f"{folder} does not say which languages it knows; name them: --languages en de")
    languages = corpus.captioned_languages(info.languages, split)
    if not languages:
        raise UserError(
            f"{info.name} knows {', '.join(info.languages)}, and {corpus.folder} has no captions in any of them: "
            f"found {', '.join(corpus.languages) or 'none'}."
        )
    return languages


def _write_figures(evaluation: Evaluation, file: Path) -> None:
    import json

    from trainer.evaluation.report_folder import figures

    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(figures(evaluation.results), indent=2) + "\n", encoding="utf-8")

"""``cl2cm export``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.commands import add_command
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    import argparse

    from rich.table import Table

    from cl2cm_plugin.exported.folder import Export

HELP = """\
Write a model for serving: both towers as ONNX graphs, which `cl2cm serve` runs
without torch, in single precision and in 8 bits.

8 bits are calibrated on the pictures of DATA and compared with single precision on its
captions and on other pictures. A tower whose mean cosine falls below 0.99, or its first
percentile below 0.97, stays in single precision, and so do both if more than 0.5 points
of R@10 are lost.
"""

EXAMPLES = """\
examples:
  cl2cm export cl2cm-de build/cl2cm-de-onnx --data openmoji
  cl2cm export build/runs/french/model archive-onnx --data archive/ --split test
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``export``."""
    parser = add_command(subparsers, "export", "write a model for serving without torch", HELP, EXAMPLES)
    parser.add_argument("model", metavar="MODEL", help="an installed name, or a model folder")
    parser.add_argument("out", metavar="FOLDER", type=Path, help="a new folder, for the exported model")
    parser.add_argument("--data", metavar="DATA", help="a folder of captioned media, or openmoji; none: no 8 bits")
    parser.add_argument("--split", metavar="SPLIT", help="the pictures to compare with (all)")
    parser.set_defaults(run=run_export, extra="export", runs_models=True)


def run_export(arguments: argparse.Namespace) -> int:
    """Export a model and print what that costs.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0; also where 8 bits were left out, which the output says.

    Raises:
        UserError: There is no such model or corpus, the folder exists, or the model cannot be exported.
    """
    from rich.console import Console

    from cl2cm_plugin.encoder import model_store
    from trainer.console import quiet_libraries

    quiet_libraries()
    console = Console()
    source, out = model_store.resolve(arguments.model), arguments.out
    if out.exists():
        raise UserError(f"{out} exists already; name a new folder, or remove it.")
    place = out.with_name(f".{out.name}.part")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        export, left_out = _export(arguments, source, place)
        place.rename(out)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    console.print(_table(export))
    for sentence in left_out:
        console.print(sentence, highlight=False, soft_wrap=True)
    console.print(f"Serve it: cl2cm serve {out}", highlight=False, soft_wrap=True)
    return 0


def _export(arguments: argparse.Namespace, source: Path, place: Path) -> tuple[Export, list[str]]:
    """Write everything; gives as well what was left out and why."""
    from cl2cm_plugin.encoder import model_info
    from cl2cm_plugin.export.exporter import Exporter
    from trainer.corpus import read_corpus
    from trainer.export_samples import samples

    # Before the long work, since it may fail.
    chosen = None
    if arguments.data:
        chosen = samples(read_corpus(arguments.data), arguments.split, model_info.read(source).languages)
    exporter = Exporter(source, place)
    exporter.single_precision()
    left_out = ["No 8 bits: they need pictures and captions (--data)."]
    if chosen is not None:
        left_out = exporter.eight_bits(chosen)
    return exporter.finish(), left_out


def _table(export: Export) -> Table:
    from rich.table import Table

    table = Table("precision", "tower", "mean cosine", "1st percentile", "lowest", "in single precision")
    table.add_row("fp32", "both", "1", "1", "1", "everything")
    for tower in ("text", "image"):
        found = export.parity.get("int8", {}).get(tower)
        if found:
            bits = ", weights in 7 bits" if found["seven_bits"] else ""
            table.add_row("int8", tower, *_figures(found["cosines"]), found["kept"] + bits)
    return table


def _figures(cosines: dict[str, float]) -> list[str]:
    return [f"{cosines[name]:.4f}" for name in ("mean", "first_percentile", "lowest")]

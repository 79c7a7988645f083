"""``cl2cm embed``."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.commands import add_command
from cl2cm_plugin.commands.numbers import gpu_share, positive
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from cl2cm_plugin.encoder.model_info import ModelInfo
    from tuning.embedding.begun import Begun, Outcome
    from tuning.embedding.embedder import Work
    from tuning.embedding.source import Source

HELP = """\
Compute the vectors of a whole collection in bulk, with Ray: on this machine, or on
the cluster that RAY_ADDRESS names. `cl2cm import --vectors` takes the file.

SOURCE is a folder as `cl2cm import` takes it, clips as well, or Parquet: a file, or a
folder with such files. Its columns are file (a name that no other row has), media
(bytes) or path (relative to the Parquet's folder), and caption; a row without a
medium gets the vector of its text.

Type a command that was stopped again: what is done is not done again. A medium that
cannot be read fails alone and is listed in FILE.failures.tsv.
"""

EXAMPLES = """\
examples:
  cl2cm embed photos/ --model cl2cm-de-onnx --out vectors.parquet
  cl2cm import photos/ --collection Photos --vectors vectors.parquet
  cl2cm embed crawl/ --columns file=url media=image --model cl2cm-de-onnx --out vectors.parquet
  RAY_ADDRESS=auto cl2cm embed /shared/photos --model cl2cm-de --gpus-per-actor 1 --actors 8 --out /shared/v.parquet
"""

ROLES = ("file", "media", "path", "caption")
_PICTURES_ON_CPU = 8
_PICTURES_ON_GPU = 64
# A GPU waits for pictures to be decoded.
_CPUS_BESIDE_GPU = 4


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``embed``."""
    parser = add_command(subparsers, "embed", "compute the vectors of a large collection in bulk", HELP, EXAMPLES)
    parser.add_argument("source", metavar="SOURCE", type=Path, help="a folder of pictures and clips, or Parquet")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        required=True,
        help="a folder that `cl2cm export` wrote (needs no torch), an installed name, or a model folder",
    )
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="a new file, NAME.parquet")
    parser.add_argument("--captions", metavar="LANGUAGE", help="language of a folder's captions (en)")
    parser.add_argument(
        "--caption-vectors",
        action="store_true",
        help="encode captions as well, for collections that keep their pictures (--store-media)",
    )
    parser.add_argument(
        "--columns",
        metavar="ROLE=COLUMN",
        nargs="+",
        type=_named,
        default=[],
        help="what Parquet calls file, media, path and caption",
    )
    parser.add_argument("--actors", metavar="N", type=positive, help="engines at work (as many as there is room for)")
    parser.add_argument("--cpus-per-actor", metavar="N", type=positive, help="cores of each (1; 4 with a GPU)")
    parser.add_argument(
        "--gpus-per-actor", metavar="N", type=gpu_share, default=0.0, help="0, 1, or a share of one GPU, as 0.5 (0)"
    )
    parser.add_argument("--engine", choices=["auto", "onnx", "openvino"], default="auto", help="as for `cl2cm serve`")
    parser.add_argument(
        "--precision", choices=["auto", "int8", "fp32", "bf16"], default="auto", help="as for `cl2cm serve`"
    )
    parser.set_defaults(run=run_embed, extra="tune", runs_models=True)


def run_embed(arguments: argparse.Namespace) -> int:
    """Embed a collection and print what that gave.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0, or 1 when not a single row has a vector.

    Raises:
        UserError: There is no such model or source, the file cannot be made, or Ray cannot be used.
    """
    from cl2cm_plugin.collections.vector_file import schema
    from cl2cm_plugin.encoder import model_info
    from cl2cm_plugin.vectorizer.engines.opening import opening
    from cl2cm_plugin.vectorizer.settings import Settings
    from tuning.embedding.begun import Begun
    from tuning.embedding.embedder import Work

    found = opening(arguments.model, arguments.engine, arguments.precision)
    info = model_info.read(found.folder)
    _check(arguments, exported=found.wanted is not None)
    frames = Settings.from_environment().frames_per_video
    begun, started = Begun(arguments.out.absolute()), time.monotonic()
    with begun.alone():
        begun.check(_asked(arguments, info, frames))
        source = _source(arguments, begun)
        earlier = begun.rows()
        work = Work(source, found, info.dimensions, arguments.caption_vectors, frames)
        engine = _run(arguments, work, begun)
        outcome = begun.complete(source.rows, schema(info, engine=engine, frames=frames), source.key)
    _print(arguments, outcome, source.rows - earlier, time.monotonic() - started, engine)
    return 0 if outcome.vectors else 1


def _check(arguments: argparse.Namespace, *, exported: bool) -> None:
    """Say what is wrong before anything is started for it."""
    source, out = arguments.source, arguments.out
    if not source.exists():
        raise UserError(f"There is no {source}; name a folder of pictures, or Parquet.")
    if out.exists():
        raise UserError(f"{out} exists already; name a new file, or remove it.")
    if not out.absolute().parent.is_dir():
        raise UserError(f"There is no folder {out.absolute().parent} for {out.name}; make it, or name another file.")
    if exported and arguments.gpus_per_actor:
        raise UserError(
            f"{arguments.model} is an exported model, which runs on the CPU: leave --gpus-per-actor out, or name the "
            "model that was exported, which runs on torch."
        )


def _asked(arguments: argparse.Namespace, info: ModelInfo, frames: int) -> dict[str, Any]:
    """Collect what rows depend on."""
    from tuning.embedding.source import parquet_files

    return {
        "model": info.identity,
        "source": str(arguments.source.absolute()),
        "content": [[file.name, file.stat().st_size] for file in parquet_files(arguments.source)],
        "--captions": arguments.captions,
        "--caption-vectors": arguments.caption_vectors,
        "--columns": dict(arguments.columns),
        "--engine": arguments.engine,
        "--precision": arguments.precision,
        "number of frames": frames,
    }


def _source(arguments: argparse.Namespace, begun: Begun) -> Source:
    from tuning.embedding.source import from_folder, from_parquet, parquet_files

    place = arguments.source.absolute()
    if parquet_files(place):
        if arguments.captions is not None:
            raise UserError("--captions is for folders; Parquet has its captions in a column (--columns caption=...).")
        return from_parquet(place, dict(arguments.columns))
    if arguments.columns:
        raise UserError(f"--columns is for Parquet, but {place} holds no file *.parquet.")
    return from_folder(place, arguments.captions, begun.listed)


def _run(arguments: argparse.Namespace, work: Work, begun: Begun) -> str:
    """Embed what is not done yet; give how the engine computed."""
    known = begun.engine()
    if known is not None and begun.rows() >= work.source.rows:
        return str(known["name"])
    from tuning.embedding.job import Actors, run

    gpus = arguments.gpus_per_actor
    cpus = arguments.cpus_per_actor or (_CPUS_BESIDE_GPU if gpus else 1)
    pictures = _PICTURES_ON_GPU if gpus else _PICTURES_ON_CPU
    on_workers = replace(work.opening, folder=work.opening.folder.absolute(), threads=cpus)
    return run(
        replace(work, opening=on_workers, pictures_at_once=pictures, threads=cpus + 1),
        Actors(arguments.actors, cpus, gpus),
        begun,
    )


def _print(arguments: argparse.Namespace, outcome: Outcome, rows: int, seconds: float, engine: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tuning.embedding.begun import failures_file
    from tuning.embedding.source import parquet_files

    table = Table("rows", "failures", "seconds", "rows a second", "engine")
    failures = len(outcome.failures)
    speed = f"{rows / seconds:.1f}"
    table.add_row(str(outcome.vectors + failures), str(failures), f"{seconds:.0f}", speed, Text(engine))
    console = Console()
    console.print(table)
    if failures:
        file, reason = outcome.failures[0]
        sentence = f"{failures} failed, first {file}: {reason}. All are listed in {failures_file(arguments.out)}."
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    folder = "" if parquet_files(arguments.source) else f"{arguments.source} "
    sentence = f"Import them: cl2cm import {folder}--collection NAME --vectors {arguments.out}"
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _named(text: str) -> tuple[str, str]:
    role, found, column = text.partition("=")
    if not found or role not in ROLES or not column:
        raise argparse.ArgumentTypeError(f"{text!r} is not like file=COLUMN; there are {', '.join(ROLES)}")
    return role, column

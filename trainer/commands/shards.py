"""``cl2cm shards``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.commands import add_command
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    import argparse

HELP = """\
Write a corpus as shards in Parquet, for training that reads them as a stream: neither
pictures nor sentences are ever all in memory, and nothing is computed beforehand.

Train on the result with `cl2cm train RECIPE --data FOLDER`. Shards that come from
elsewhere do as well; docs/training-at-scale.md says what is in them.
"""

EXAMPLES = """\
examples:
  cl2cm shards archive/ --out build/archive-shards --dev dev
  cl2cm shards openmoji --out build/openmoji-shards --rows 500
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``shards``."""
    parser = add_command(subparsers, "shards", "write a corpus as shards, to train at scale", HELP, EXAMPLES)
    parser.add_argument("data", metavar="DATA", help="a folder of captioned media, or openmoji")
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where to write the shards")
    parser.add_argument("--split", metavar="SPLIT", default="train", help="the pictures to train on (train)")
    parser.add_argument("--dev", metavar="SPLIT", help="a split for dev figures and evaluation (none)")
    parser.add_argument("--rows", metavar="N", type=int, default=10_000, help="rows of a shard (10000)")
    parser.set_defaults(run=run_shards, extra="train")


def run_shards(arguments: argparse.Namespace) -> int:
    """Write shards.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0.

    Raises:
        UserError: The corpus lacks a split, or the folder is there already.
    """
    from rich.console import Console

    from trainer.corpus import read_corpus
    from trainer.streaming.writing import write

    if arguments.rows < 1:
        raise UserError(f"--rows is {arguments.rows}; wanted 1 or more.")
    written = write(read_corpus(arguments.data), arguments.out, arguments.split, arguments.dev, arguments.rows)
    Console().print(
        f"{written.pictures} pictures and {written.pairs} sentence pairs are in {arguments.out}, "
        f"{written.shards} shards.\nNext: cl2cm train RECIPE --data {arguments.out}",
        highlight=False,
        soft_wrap=True,
    )
    return 0

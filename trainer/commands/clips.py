"""``cl2cm clips``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.commands import add_command

if TYPE_CHECKING:
    import argparse

HELP = """\
Make a corpus of short clips of a corpus of captioned pictures: the camera pans or
zooms over a picture, rests on it, or cuts to another one. Captions and sentence pairs
get a sentence that names the motion, in cs, de, en, fr, pt and zh. A substitute for
video, where there is none with captions in two languages.

Every picture gets two clips with different motions, and its clips stay in its split.
The result is a folder like any other, for `cl2cm train` and `cl2cm evaluate`.
"""

EXAMPLES = """\
examples:
  cl2cm clips --from archive/ --out build/clips
  cl2cm clips --from openmoji --out build/few-clips --limit 100 --languages en de
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``clips``."""
    parser = add_command(subparsers, "clips", "make clips of captioned pictures", HELP, EXAMPLES)
    parser.add_argument(
        "--from", metavar="DATA", dest="data", required=True, help="a folder of captioned pictures, or openmoji"
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where to write the clips")
    parser.add_argument("--languages", metavar="LANGUAGE", nargs="+", default=[], help="of captions and pairs (all)")
    parser.add_argument("--splits", metavar="SPLIT", nargs="+", default=[], help="splits to take pictures from (all)")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="chooses motions and cuts (0)")
    parser.add_argument(
        "--limit",
        metavar="N",
        type=int,
        help="about so many pictures a split, and only the sentence pairs of their captions (all)",
    )
    parser.set_defaults(run=run_clips, extra="train,video")


def run_clips(arguments: argparse.Namespace) -> int:
    """Make clips of a corpus of pictures.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0.

    Raises:
        UserError: An argument does not fit the corpus, or PyAV is not installed.
    """
    from rich.console import Console

    from trainer.corpus import captioned_media, clips, read_corpus

    corpus = read_corpus(arguments.data)
    folder = clips.build(corpus, arguments.out, arguments.languages, arguments.splits, arguments.seed, arguments.limit)
    made = captioned_media.read(folder)
    Console().print(
        f"{len(made.media)} clips with captions in {', '.join(made.languages)} and {len(made.pairs)} sentence pairs "
        f"are in {folder}.",
        highlight=False,
        soft_wrap=True,
    )
    return 0

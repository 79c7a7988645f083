"""``cl2cm translate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.commands import add_command
from cl2cm_plugin.commands.numbers import positive
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    import argparse

    from trainer.translation.pair_table import PairTable

HELP = """\
Make the target side of a corpus that has captions in one language: translate its
captions by machine and write them as sentence pairs to pairs/<from>-<to>.tsv, with
the origin mt-apertium or mt-<model>.

Sentences that the table has already are kept and not translated again, so a run that
was stopped goes on where it was. Machine-made sentences are for training, so captions
of other splits are left alone; test with captions that people wrote.
"""

EXAMPLES = """\
examples:
  cl2cm translate archive/ --to fr
  cl2cm translate archive/ --to de --with facebook/m2m100_418M
  cl2cm translate archive/ --to ca --from es
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``translate``."""
    parser = add_command(subparsers, "translate", "translate the captions of a corpus", HELP, EXAMPLES)
    parser.add_argument("data", metavar="DATA", type=Path, help="a folder of captioned media")
    parser.add_argument("--to", metavar="LANGUAGE", required=True, help="language wanted")
    parser.add_argument("--from", metavar="LANGUAGE", dest="source", default="en", help="of the captions (en)")
    parser.add_argument(
        "--with",
        metavar="NAME",
        dest="translator",
        help="apertium (the default), or a Hugging Face sequence-to-sequence model by name or folder",
    )
    parser.add_argument(
        "--split", metavar="SPLIT", help="translate the captions of this split alone (train; all without it)"
    )
    parser.add_argument("--beams", metavar="N", type=positive, help="beam search of a model (the model's own)")
    parser.set_defaults(run=run_translate, extra="train", runs_models=True)


def run_translate(arguments: argparse.Namespace) -> int:
    """Translate captions and write sentence pairs.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0.

    Raises:
        UserError: The folder is no captioned media, or nothing translates the pair.
    """
    from rich.console import Console

    from trainer.translation.pair_table import PairTable

    sentences = _captions(arguments)
    table = PairTable(arguments.data / "pairs" / f"{arguments.source}-{arguments.to}.tsv")
    missing = [sentence for sentence in sentences if sentence not in table.sources]
    kept = len(sentences) - len(missing)
    added = _translate(table, missing, arguments) if missing else 0
    untranslated = len(missing) - added
    Console().print(
        f"{added} sentences translated, {kept} were in {table.file} already"
        + (f"; {untranslated} came back empty and were left out." if untranslated else "."),
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _captions(arguments: argparse.Namespace) -> list[str]:
    from trainer.corpus import captioned_media
    from trainer.language_texts import captions_of

    if arguments.source == arguments.to:
        raise UserError(f"The captions are in {arguments.source!r} already; name another language with --to.")
    if not captioned_media.recognises(arguments.data):
        raise UserError(f"{arguments.data} is no captioned-media folder: it needs media/ and captions/<language>.tsv.")
    return captions_of(captioned_media.read(arguments.data), arguments.source, arguments.split)


def _translate(table: PairTable, missing: list[str], arguments: argparse.Namespace) -> int:
    from trainer.console import quiet_libraries
    from trainer.translation import APERTIUM, find_translator
    from trainer.translation.pair_table import fill

    if arguments.translator not in (None, APERTIUM):
        quiet_libraries()
    translator = find_translator(arguments.source, arguments.to, arguments.translator, arguments.beams)
    return fill(table, missing, translator, f"{arguments.source} to {arguments.to}")

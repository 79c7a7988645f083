"""``cl2cm demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.commands import add_command
from cl2cm_plugin.errors import UserError
from trainer.console import quiet_libraries

if TYPE_CHECKING:
    import argparse

HELP = """\
Go the whole road on a picture collection made of Python packages alone: train a
model, install it, serve it, start a real Weaviate, import the pictures, and search
them in a language in which nobody captioned a picture.
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``demo``."""
    parser = add_command(subparsers, "demo", "go the whole road, from pictures to search", HELP, "")
    parser.add_argument("--target", metavar="LANGUAGE", default="de", help="language of the queries (de)")
    parser.add_argument("--seeds", metavar="N", type=int, default=3, help="runs to average the figures over (3)")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=Path("build"), help="for results (build)")
    parser.set_defaults(run=run_demo, extra="demo", runs_models=True)


def run_demo(arguments: argparse.Namespace) -> int:
    """Go the whole road.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0.
    """
    quiet_libraries()
    from trainer.demo.road import demo

    if arguments.seeds < 1:
        raise UserError(f"--seeds is {arguments.seeds}; the demo needs at least one run.")
    demo(arguments.target, arguments.seeds, arguments.out)
    return 0

"""``cl2cm reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.commands import add_command
from trainer.console import quiet_libraries

if TYPE_CHECKING:
    import argparse

HELP = """\
Make the runs behind the published tables, and the tables. A run is a recipe, data
and code: one whose result lies in results/runs is not made again, on any machine,
and a run that was stopped goes on where it was.

The photographs are for research only: their models stay below --work.
"""

EXAMPLES = """\
examples:
  cl2cm reproduce --data ../shared/data/multi30k-flickr8k --list
  cl2cm reproduce --data ../shared/data/multi30k-flickr8k --quick
  cl2cm reproduce --data ../shared/data/multi30k-flickr8k --only cl2cm translate-train
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``reproduce``."""
    parser = add_command(subparsers, "reproduce", "make the published tables", HELP, EXAMPLES)
    parser.add_argument("--plan", metavar="NAME", default="cl2cm", help="which tables: cl2cm or video (cl2cm)")
    parser.add_argument("--data", metavar="DATA", required=True, help="the corpus")
    parser.add_argument("--only", metavar="SYSTEM", nargs="+", default=[], help="make the runs of these systems alone")
    parser.add_argument("--quick", action="store_true", help="the headline with one seed and smaller settings")
    parser.add_argument("--list", action="store_true", help="make nothing, say what is done")
    parser.add_argument("--work", metavar="FOLDER", type=Path, default=Path("build/reproduce"), help="for models")
    parser.add_argument(
        "--results", metavar="FOLDER", type=Path, default=Path("results"), help="for results (results)"
    )
    parser.add_argument(
        "--report", metavar="FOLDER", type=Path, default=Path("docs/results"), help="for tables and plots"
    )
    parser.set_defaults(run=run_reproduce, extra="train", runs_models=True)


def run_reproduce(arguments: argparse.Namespace) -> int:
    """Make what is missing, and write the report.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0.
    """
    quiet_libraries()
    from rich.console import Console

    from trainer import corpus
    from trainer.reproduction import plan as plans
    from trainer.reproduction import report
    from trainer.reproduction.reproduce import Reproduction

    plan = plans.load(arguments.plan)
    name = f"{arguments.plan}-quick" if arguments.quick else arguments.plan
    reproduction = Reproduction(
        plan, corpus.read(Path(arguments.data)), arguments.work, arguments.results / "runs", arguments.quick
    )
    console = Console()
    if arguments.list:
        console.print(report.state(reproduction))
        return 0
    reproduction.make(arguments.only)
    for file in report.write(plan, reproduction, name, arguments.results, arguments.report):
        console.print(str(file), highlight=False, soft_wrap=True)
    return 0

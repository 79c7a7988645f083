"""The ``cl2cm`` command: collects the subcommands that each installed package registers.

A package registers its subcommands through an entry point of the group ``cl2cm.commands`` that names a function
``register(subparsers)``; so no package imports one above it. A subcommand's parser sets ``run``, a function of the
parsed arguments, and ``extra``, the optional dependencies that it needs, and ``runs_models`` where it computes with
torch. Heavy imports belong inside ``run``, so that ``cl2cm --help`` answers at once and a missing extra is one clear
sentence.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from cl2cm_plugin.allocator import restart_with_fast_allocator
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

OUR_PACKAGES = ("cl2cm_plugin", "trainer", "tuning")

DESCRIPTION = """\
Search pictures in a language in which nobody ever captioned them.

The usual order: train a model, install it under a name, serve it as Weaviate's
vectorizer, import a folder of pictures, search. `cl2cm demo` goes the whole way.
"""

EPILOG = "`cl2cm COMMAND --help` explains one command with its options and an example."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    Args:
        argv: The arguments after the program's name; the process's own by default.

    Returns:
        The exit status: 0, 1 after an error that the user can put right, 130 after Ctrl-C.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if not hasattr(arguments, "run"):
        parser.print_help()
        return 0
    if argv is None and getattr(arguments, "runs_models", False):
        restart_with_fast_allocator()
    try:
        return arguments.run(arguments) or 0
    except UserError as error:
        return _complain(str(error))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OUR_PACKAGES:
            raise
        return _complain(
            f"`cl2cm {arguments.command}` needs the package {error.name!r}, which is not installed: "
            f"pip install 'cl2cm-plugin[{arguments.extra}]'"
        )
    except KeyboardInterrupt:
        return _complain("interrupted", status=130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cl2cm", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for entry in sorted(entry_points(group="cl2cm.commands"), key=lambda entry: entry.name):
        entry.load()(subparsers)
    return parser


def _complain(message: str, status: int = 1) -> int:
    print(f"cl2cm: {message}", file=sys.stderr)  # noqa: T201 - the command's own error output
    return status


if __name__ == "__main__":
    sys.exit(main())

"""``cl2cm install``, ``cl2cm models`` and ``cl2cm remove``: the models of this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.commands import add_command

if TYPE_CHECKING:
    import argparse

INSTALL = """\
Put a trained model in place under a name, so that it loads from any folder:

    import cl2cm_plugin
    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer("cl2cm-de")

The folder is copied: it may be changed, moved or deleted afterwards. Installing
under a name that is in use replaces that model.
"""
MODELS = """\
List the installed models. Two models with the same fingerprint give the same
vectors; a collection keeps the fingerprint of the model that made its vectors.
"""
REMOVE = """\
Remove an installed model from this machine. The folder that it was installed
from is not touched; collections keep the vectors that the model made.
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``install``, ``models`` and ``remove``."""
    install = add_command(
        subparsers,
        "install",
        "put a trained model in place under a name",
        INSTALL,
        "example: cl2cm install runs/de --name cl2cm-de",
    )
    install.add_argument("folder", type=Path, metavar="FOLDER", help="the model folder, as `cl2cm train` wrote it")
    install.add_argument("--name", help="name to load it by; by default the one in cl2cm.json, else the folder's own")
    install.set_defaults(run=_install, extra="model")

    models = add_command(subparsers, "models", "list the installed models", MODELS, "example: cl2cm models")
    models.set_defaults(run=_models, extra="model")

    remove = add_command(subparsers, "remove", "remove an installed model", REMOVE, "example: cl2cm remove cl2cm-de")
    remove.add_argument("name", metavar="NAME", help="a name that `cl2cm models` lists")
    remove.set_defaults(run=_remove, extra="model")


def _install(arguments: argparse.Namespace) -> None:
    from rich.filesize import decimal

    from cl2cm_plugin.encoder import model_info, model_store

    folder: Path = arguments.folder
    name = arguments.name
    if name is None:
        has_info = (folder / model_info.FILE_NAME).is_file()
        name = model_info.read(folder).name if has_info else folder.resolve().name
    installed = model_store.install(folder, name)
    info = model_info.read(installed)
    size = decimal(model_store.size(installed))
    _say(f"Installed {info.identity}: vectors of {info.dimensions} numbers, {size}, in {installed}")
    _say(f'Load it after `import cl2cm_plugin` with SentenceTransformer("{name}").')


def _models(arguments: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.filesize import decimal
    from rich.table import Table
    from rich.text import Text

    from cl2cm_plugin.encoder import model_store

    models = model_store.installed()
    if not models:
        _say(
            f"No model is installed in {model_store.store_folder()}. `cl2cm train` trains one, "
            "`cl2cm install FOLDER --name NAME` installs it."
        )
        return
    table = Table("name", "fingerprint", "dimensions", "languages", "licence", "size", box=None, pad_edge=False)
    table.add_column("path", overflow="fold")
    for model in models:
        info = model.info
        facts = [info.fingerprint, str(info.dimensions), " ".join(info.languages) or "-", info.licence or "-"]
        cells = [model.name, *facts, decimal(model.size), str(model.path)]
        # Text, not str: brackets in a path or a licence are no markup.
        table.add_row(*(Text(cell) for cell in cells))
    # In a pipe or a file a row stays one line.
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


def _remove(arguments: argparse.Namespace) -> None:
    from cl2cm_plugin.encoder import model_store

    model_store.remove(arguments.name)
    _say(f"Removed {arguments.name}.")


def _say(sentence: str) -> None:
    print(sentence)  # noqa: T201 - the command's own output

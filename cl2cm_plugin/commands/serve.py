"""``cl2cm serve``: a model as Weaviate's vectorizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.commands import add_command

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from cl2cm_plugin.encoder.model_info import ModelInfo
    from cl2cm_plugin.vectorizer.engines import Engine

DESCRIPTION = """\
Serve a model to Weaviate: an HTTP service that turns texts and pictures into
vectors. Weaviate asks it through its module multi2vec-clip (or another: /meta lists
those that are served), when you import and when you search, so keep it running as
long as Weaviate runs.
"""

EPILOG = """\
example:
  cl2cm serve cl2cm-de
  # then start Weaviate with
  #   ENABLE_MODULES=multi2vec-clip CLIP_INFERENCE_API=http://127.0.0.1:9000

Limits (request size, pictures, batches, queue) are environment variables, for
example CL2CM_MAX_BATCH=16; cl2cm_plugin/vectorizer/settings.py lists them all.
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``cl2cm serve``."""
    parser = add_command(subparsers, "serve", "serve a model as Weaviate's vectorizer", DESCRIPTION, EPILOG)
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="name of an installed model (`cl2cm models`), a model folder, or one that `cl2cm export` wrote",
    )
    parser.add_argument(
        "--host",
        help="address to listen on (default 127.0.0.1: this machine only). With 0.0.0.0 other machines can use it "
        "too; there is no password, so keep it inside a private network",
    )
    parser.add_argument("--port", type=int, help="port to listen on (default 9000; 0 takes a free one)")
    parser.add_argument(
        "--precision",
        choices=["auto", "int8", "fp32"],
        default="auto",
        help="of an exported model (default auto: 8 bits where they give the right vectors on this processor)",
    )
    parser.set_defaults(run=run, extra="serve", runs_models=True)


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped.

    Args:
        arguments: ``model``, ``host``, ``port`` and ``precision``.

    Returns:
        The exit status.

    Raises:
        UserError: There is no such model, it cannot be loaded, or the port is taken.
    """
    import logging

    from cl2cm_plugin.encoder import model_info
    from cl2cm_plugin.vectorizer.app import create_app
    from cl2cm_plugin.vectorizer.server import bind, url_of
    from cl2cm_plugin.vectorizer.server import run as run_server
    from cl2cm_plugin.vectorizer.settings import Settings

    settings = Settings.from_environment(host=arguments.host, port=arguments.port)
    folder, load_engine = _find(arguments.model, arguments.precision)
    info = model_info.read(folder)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    with bind(settings.host, settings.port) as bound:
        print(_announcement(info, url_of(bound)), flush=True)  # noqa: T201 - the command's own output
        run_server(create_app(load_engine, info, settings), bound, settings)
    return 0


def _find(model: str, precision: str) -> tuple[Path, Callable[[], Engine]]:
    """Find a model's folder and what runs it; imports nothing that the other kind of model needs."""
    from cl2cm_plugin.exported.folder import is_exported

    folder = Path(model)
    if is_exported(folder):
        from cl2cm_plugin.vectorizer.engines.onnx_engine import OnnxEngine

        return folder, lambda: OnnxEngine(folder, precision)
    from cl2cm_plugin.encoder import model_store
    from cl2cm_plugin.vectorizer.engines.torch_engine import TorchEngine

    resolved = model_store.resolve(model)
    return resolved, lambda: TorchEngine(resolved)


def _announcement(info: ModelInfo, url: str) -> str:
    languages = f", languages {' '.join(info.languages)}" if info.languages else ""
    return (
        f"Serving {info.identity} ({info.dimensions} dimensions{languages}) at {url}. Ctrl-C stops it.\n"
        f"Start Weaviate with: ENABLE_MODULES=multi2vec-clip CLIP_INFERENCE_API={url}"
    )

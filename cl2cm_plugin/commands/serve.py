"""``cl2cm serve``: a model as Weaviate's vectorizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.commands import add_command
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    import argparse

    from cl2cm_plugin.encoder.model_info import ModelInfo

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
        "models",
        nargs="+",
        metavar="MODEL",
        help="name of an installed model (`cl2cm models`), a model folder, or one that `cl2cm export` wrote; further "
        "ones are served at http://HOST:PORT/m/NAME",
    )
    parser.add_argument(
        "--host",
        help="address to listen on (default 127.0.0.1: this machine only). With 0.0.0.0 other machines can use it "
        "too: give it a token, or keep it inside a private network",
    )
    parser.add_argument("--port", type=int, help="port to listen on (default 9000; 0 takes a free one)")
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="a file with the token that callers must show (or the variable CL2CM_TOKEN); Weaviate shows it for "
        "addresses like http://any:TOKEN@host:9000",
    )
    parser.add_argument(
        "--engine",
        choices=["auto", "onnx", "openvino"],
        default="auto",
        help="what computes an exported model (default auto: the fastest here, measured once and remembered)",
    )
    parser.add_argument(
        "--precision",
        choices=["auto", "int8", "fp32", "bf16"],
        default="auto",
        help="of an exported model (default auto: the fastest here that gives the right vectors)",
    )
    parser.add_argument("--log-format", choices=["text", "json"], help="of the log, on standard error (default text)")
    parser.set_defaults(run=run, extra="model", runs_models=True)


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        The exit status.

    Raises:
        UserError: There is no such model, it cannot be loaded, or the port is taken.
    """
    from cl2cm_plugin.encoder import model_info
    from cl2cm_plugin.vectorizer.engines.opening import opening
    from cl2cm_plugin.vectorizer.settings import Settings
    from cl2cm_plugin.vectorizer.web import request_log
    from cl2cm_plugin.vectorizer.web.server import bind, url_of
    from cl2cm_plugin.vectorizer.web.server import run as run_server

    settings = Settings.from_environment(
        host=arguments.host, port=arguments.port, token=_token(arguments.token_file), log_format=arguments.log_format
    )
    request_log.set_up(settings.log_format)
    found = [opening(model, arguments.engine, arguments.precision) for model in arguments.models]
    served = [(model_info.read(one.folder), one.open) for one in found]
    with bind(settings.host, settings.port) as bound:
        print(_announcement([info for info, _ in served], url_of(bound)), flush=True)  # noqa: T201 - our own output
        run_server(served, bound, settings)
    return 0


def _token(file: Path | None) -> str | None:
    """Read a token; None leaves it to the environment."""
    if file is None:
        return None
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read ({error}); write the token into it, one line.") from None
    if not token:
        raise UserError(f"{file} is empty; write the token into it, one line.")
    return token


def _announcement(infos: list[ModelInfo], url: str) -> str:
    lines = []
    for place, info in enumerate(infos):
        languages = f", languages {' '.join(info.languages)}" if info.languages else ""
        address = f"{url}/m/{info.name}" if place else url
        lines.append(f"Serving {info.identity} ({info.dimensions} dimensions{languages}) at {address}.")
    return "\n".join([*lines, f"Start Weaviate with: ENABLE_MODULES=multi2vec-clip CLIP_INFERENCE_API={url}"])

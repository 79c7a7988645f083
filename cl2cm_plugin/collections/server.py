"""Connect to a Weaviate server: the one in WEAVIATE_URL, else an embedded one."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import weaviate
from rich.console import Console
from weaviate.classes.init import AdditionalConfig, Auth, Timeout
from weaviate.exceptions import WeaviateBaseError

from cl2cm_plugin.collections import server_process
from cl2cm_plugin.collections.data_folder import DataFolder, ServerRecord
from cl2cm_plugin.collections.server_binary import server_binary
from cl2cm_plugin.collections.vectorizer_address import checked
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

DEFAULT_VECTORIZER = "http://127.0.0.1:9000"
DEFAULT_GRPC_PORT = 50051
_TIMEOUTS = AdditionalConfig(timeout=Timeout(init=10, query=60, insert=300))  # seconds


def default_data_folder() -> Path:
    """Where the embedded server keeps its data: ``cl2cm/weaviate`` in the user's data folder."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "cl2cm" / "weaviate"


@contextmanager
def connect(
    vectorizer_url: str = DEFAULT_VECTORIZER, *, data: Path | None = None
) -> Iterator[weaviate.WeaviateClient]:
    """Connect to the server named in WEAVIATE_URL, else to an embedded server.

    WEAVIATE_URL is an ``http`` or ``https`` address (``https`` means TLS for both ports); WEAVIATE_API_KEY and
    WEAVIATE_GRPC_PORT (default 50051) go with it. The embedded server is shared by all processes that use the same
    data folder at the same time, and ended when the last of them leaves.

    Args:
        vectorizer_url: The vectorizer's address, for an embedded server.
        data: The embedded server's data folder; by default :func:`default_data_folder`.

    Yields:
        A native weaviate-client, connected; closed afterwards.

    Raises:
        UserError: The server cannot be reached or started; the message says what to check.
    """
    url = os.environ.get("WEAVIATE_URL", "").strip()
    with ExitStack() as stack:
        if url:
            client = _connect_to(url)
        else:
            record = stack.enter_context(embedded_server(checked(vectorizer_url), data or default_data_folder()))
            client = weaviate.connect_to_local(
                host="127.0.0.1",
                port=record.port,
                grpc_port=record.grpc_port,
                auth_credentials=Auth.api_key(record.api_key),
                additional_config=_TIMEOUTS,
                skip_init_checks=True,
            )
        stack.callback(client.close)
        yield client


@contextmanager
def embedded_server(vectorizer_url: str, data: Path) -> Iterator[ServerRecord]:
    """Start an embedded server, or share the one that already runs on the data folder.

    Args:
        vectorizer_url: The vectorizer's address.
        data: The data folder.

    Yields:
        Where the server listens, and its key.

    Raises:
        UserError: The server's binary cannot be had, or the server does not start.
    """
    folder = DataFolder(data.expanduser().absolute())
    try:
        with _signals_as_exceptions():
            try:
                with folder.turn():
                    record = _start_or_share(folder, vectorizer_url)
                    folder.join()
                yield record
            finally:
                with folder.turn():
                    if folder.leave():
                        server_process.stop(record)
                        folder.forget()
    finally:
        folder.close()


def _start_or_share(folder: DataFolder, vectorizer_url: str) -> ServerRecord:
    record = folder.read()
    if record is not None:
        if server_process.is_ours(record) and server_process.answers(record.port):
            return record
        # Left over from a killed process, and deaf: it would keep the folder locked.
        server_process.stop(record)
    binary = server_binary()
    with Console(stderr=True).status("starting the embedded Weaviate server"):
        record = server_process.start(binary, folder.path, vectorizer_url)
    folder.write(record)
    return record


def _connect_to(url: str) -> weaviate.WeaviateClient:
    host, port, secure = _parts(url)
    grpc_port = _grpc_port()
    key = os.environ.get("WEAVIATE_API_KEY")
    try:
        return weaviate.connect_to_custom(
            http_host=host,
            http_port=port,
            http_secure=secure,
            grpc_host=host,
            grpc_port=grpc_port,
            grpc_secure=secure,
            auth_credentials=Auth.api_key(key) if key else None,
            additional_config=_TIMEOUTS,
        )
    except WeaviateBaseError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"No Weaviate can be used at WEAVIATE_URL={url} (gRPC on port {grpc_port}): {lines[0]}. Check that the "
            "server runs, that WEAVIATE_GRPC_PORT is its gRPC port, and that WEAVIATE_API_KEY is set if it asks for a "
            "key; or unset WEAVIATE_URL to use an embedded server."
        ) from None


def _parts(url: str) -> tuple[str, int, bool]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UserError(f"WEAVIATE_URL={url} is no address: write it like http://localhost:8080 or https://host.")
    secure = parts.scheme == "https"
    return parts.hostname, port or (443 if secure else 80), secure


def _grpc_port() -> int:
    text = os.environ.get("WEAVIATE_GRPC_PORT", "").strip()
    if not text:
        return DEFAULT_GRPC_PORT
    if not text.isdecimal() or not 0 < int(text) <= 65535:
        raise UserError(f"WEAVIATE_GRPC_PORT={text} is no port number.")
    return int(text)


@contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, so that the server is ended; a program's own handlers stay."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    taken = [kind for kind in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(kind) is signal.SIG_DFL]
    for kind in taken:
        signal.signal(kind, leave)
    try:
        yield
    finally:
        for kind in taken:
            if signal.getsignal(kind) is leave:
                signal.signal(kind, signal.SIG_DFL)

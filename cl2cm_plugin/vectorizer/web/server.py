"""Runs the service on a socket until it is told to stop."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import uvicorn

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from cl2cm_plugin.encoder.model_info import ModelInfo
    from cl2cm_plugin.vectorizer.engines import Engine
    from cl2cm_plugin.vectorizer.models import Models
    from cl2cm_plugin.vectorizer.settings import Settings

# Weaviate opens a connection for nearly every object of a burst.
BACKLOG = 4096
# Weaviate keeps idle connections for 90 s; closing them earlier races with its next request.
KEEP_ALIVE = 120


def bind(host: str, port: int) -> socket.socket:
    """Take a port before anything slow happens.

    Args:
        host: Address to listen on.
        port: TCP port; 0 takes a free one.

    Returns:
        The bound socket.

    Raises:
        UserError: The port is taken, not allowed, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UserError(f"cannot listen on {host} ({error.strerror}); choose another address with --host.") from None
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        # Without listening, a second program may bind the same port on some systems.
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise _cannot_bind(host, port, error) from None
    return bound


def url_of(bound: socket.socket) -> str:
    """Return the address of a bound socket as Weaviate wants it, without a slash at the end."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(served: Sequence[tuple[ModelInfo, Callable[[], Engine]]], bound: socket.socket, settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; requests that are under way are answered first.

    Args:
        served: The models, as `cl2cm_plugin.vectorizer.web.app.create_app` takes them.
        bound: From `bind`.
        settings: Limits and batching.

    Raises:
        UserError: A model could not be loaded.
        ModuleNotFoundError: A model needs what is not installed.
    """
    app = create_app(served, settings, lambda: server.stop())
    models: Models = app.state.models
    config = uvicorn.Config(
        app,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(settings.request_timeout) + 1,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        ws="none",
    )
    server = _Server(config, models)
    server.run(sockets=[bound])
    if models.failure is not None:
        info, error = models.failure
        # A missing module is a missing extra, which the command line names.
        if isinstance(error, UserError | ModuleNotFoundError):
            raise error
        raise UserError(
            f"model {info.identity} could not be loaded ({type(error).__name__}: {error}); install or train it again."
        ) from error


class _Server(uvicorn.Server):
    """Says that it is not ready from the moment it is told to stop."""

    def __init__(self, config: uvicorn.Config, models: Models) -> None:
        super().__init__(config)
        self._models = models

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._models.drain()
        super().handle_exit(sig, frame)

    def stop(self) -> None:
        self.should_exit = True


def _cannot_bind(host: str, port: int, error: OSError) -> UserError:
    if error.errno == errno.EADDRINUSE:
        return UserError(
            f"port {port} on {host} is already in use by another program; stop it or choose another with --port"
        )
    if error.errno == errno.EACCES:
        return UserError(f"port {port} on {host} needs more rights; choose one above 1023 with --port")
    return UserError(f"cannot listen on {host}, port {port} ({error.strerror}); choose another address with --host")

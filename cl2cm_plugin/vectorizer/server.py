"""Runs the service on a socket until it is told to stop."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import uvicorn

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from types import FrameType

    from fastapi import FastAPI

    from cl2cm_plugin.vectorizer.service import Vectorizer
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


def run(app: FastAPI, bound: socket.socket, settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; requests that are under way are answered first.

    Args:
        app: From `cl2cm_plugin.vectorizer.app.create_app`.
        bound: From `bind`.
        settings: Those of the app.

    Raises:
        UserError: The model could not be loaded.
    """
    vectorizer: Vectorizer = app.state.vectorizer
    config = uvicorn.Config(
        app,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(settings.request_timeout) + 1,
        access_log=False,
        log_level="warning",
        server_header=False,
    )
    server = _Server(config, vectorizer)
    vectorizer.on_failure = server.stop
    server.run(sockets=[bound])
    if isinstance(vectorizer.failure, UserError):
        raise vectorizer.failure
    if vectorizer.failure is not None:
        error = vectorizer.failure
        raise UserError(
            f"model {vectorizer.info.identity} could not be loaded ({type(error).__name__}: {error}); "
            "install or train it again."
        ) from error


class _Server(uvicorn.Server):
    """Says that it is not ready from the moment it is told to stop."""

    def __init__(self, config: uvicorn.Config, vectorizer: Vectorizer) -> None:
        super().__init__(config)
        self._vectorizer = vectorizer

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._vectorizer.drain()
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

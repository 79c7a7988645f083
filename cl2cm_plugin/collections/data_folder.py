"""One embedded server for one data folder, shared by every process that uses the folder.

Two servers on one folder would damage it. So the first process starts a server and leaves a record of it in the
folder; others that come meanwhile use the same server; whoever leaves last ends it. File locks keep the count, because
the kernel drops them even when a process is killed.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORD = "server.json"


@dataclass(frozen=True)
class ServerRecord:
    """What a data folder says of the server that runs on it.

    Attributes:
        port: REST port on 127.0.0.1.
        grpc_port: gRPC port.
        pid: The server's process.
        api_key: The key that this server asks for; it changes with every start.
    """

    port: int
    grpc_port: int
    pid: int
    api_key: str


class DataFolder:
    """The folder of an embedded server, with its locks and its record."""

    def __init__(self, path: Path) -> None:
        """Make the folder if need be.

        Raises:
            UserError: It cannot be made or written to.
        """
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._turn = (path / "turn.lock").open("a")
        except OSError as error:
            raise UserError(
                f"The data folder {path} cannot be used ({error.strerror}); name another with --data."
            ) from None
        self._users: IO[str] | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for this process's turn to start, join or end the server."""
        fcntl = _fcntl()
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def join(self) -> None:
        """Count this process among the server's users; only in one's turn."""
        fcntl = _fcntl()
        self._users = (self.path / "users.lock").open("a")
        fcntl.flock(self._users, fcntl.LOCK_SH)

    def leave(self) -> bool:
        """Stop being counted; only in one's turn.

        Returns:
            Whether nobody is left.
        """
        if self._users is None:
            return False
        fcntl = _fcntl()
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            self._users.close()
            self._users = None
        return True

    def read(self) -> ServerRecord | None:
        """Read the record, None when there is none that can be understood."""
        try:
            return ServerRecord(**json.loads((self.path / RECORD).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, record: ServerRecord) -> None:
        """Leave a record that only this user can read: it holds the key."""
        descriptor = os.open(self.path / RECORD, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(asdict(record), stream)

    def forget(self) -> None:
        """Remove the record."""
        (self.path / RECORD).unlink(missing_ok=True)

    def close(self) -> None:
        """Give the locks back."""
        self._turn.close()
        if self._users is not None:
            self._users.close()


def _fcntl():  # type: ignore[no-untyped-def]  # noqa: ANN202 - a module that Windows lacks
    try:
        import fcntl
    except ModuleNotFoundError:
        raise UserError(
            "Weaviate has no embedded server for Windows: start one in a container and name it in WEAVIATE_URL."
        ) from None
    return fcntl

"""What takes part: the service, the stand-in, and a Weaviate server of their own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin import collections
from cl2cm_plugin.collections import server_process
from cl2cm_plugin.collections.server_binary import server_binary
from importing_parts.archive import LANGUAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weaviate import WeaviateClient
    from weaviate.collections import Collection


@contextmanager
def stand_in(dimensions: int) -> Iterator[str]:
    """Run a vectorizer that does no work, and give its address."""
    command = [sys.executable, str(Path(__file__).with_name("stand_in.py")), str(dimensions)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


class Weaviate:
    """A Weaviate server on the same ports every time, as where something starts it again after a crash.

    Args:
        data: Its data folder.
        vectorizer_url: Of the vectorizer that it knows by default.
    """

    def __init__(self, data: Path, vectorizer_url: str) -> None:
        data.mkdir(parents=True)
        self._data, self._url = data, vectorizer_url
        self._ports, self._key = server_process.free_ports(), secrets.token_urlsafe(24)
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        record = server_process.start_on(self._ports, self._key, server_binary(), self._data, self._url)
        if record is None:
            raise RuntimeError("Weaviate did not start")
        self._record = record

    def crash(self) -> None:
        """Kill it, and start it again."""
        os.kill(self._record.pid, signal.SIGKILL)
        os.waitpid(self._record.pid, 0)
        self.start()

    def stop(self) -> None:
        """End it for good."""
        server_process.stop(self._record)

    @contextmanager
    def connected(self) -> Iterator[WeaviateClient]:
        """Connect to it."""
        os.environ["WEAVIATE_URL"] = f"http://127.0.0.1:{self._ports[0]}"
        os.environ |= {"WEAVIATE_GRPC_PORT": str(self._ports[1]), "WEAVIATE_API_KEY": self._key}
        with collections.connect() as client:
            yield client


@contextmanager
def weaviate(vectorizer_url: str, data: Path) -> Iterator[Weaviate]:
    """Run a Weaviate server on a fresh data folder."""
    server = Weaviate(data, vectorizer_url)
    try:
        yield server
    finally:
        server.stop()


def create(client: WeaviateClient, name: str, vectorizer_url: str) -> Collection:
    """Create a collection whose objects have both vectors: the picture's, and the picture's with its caption."""
    return collections.create(client, name, vectorizer_url, caption_language=LANGUAGE, store_media=True)

"""A Weaviate server of its own, which a test can kill and start again on the same data folder and ports."""

from __future__ import annotations

import os
import secrets
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cl2cm_plugin import collections
from cl2cm_plugin.collections import server_process
from cl2cm_plugin.collections.server_binary import server_binary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from weaviate import WeaviateClient

    from cl2cm_plugin.collections.data_folder import ServerRecord


class WeaviateProcess:
    """``start``, ``kill`` and ``stop`` as often as wanted."""

    def __init__(self, data: Path, vectorizer_url: str) -> None:
        data.mkdir()
        self._data, self._vectorizer_url = data, vectorizer_url
        self._ports, self._key = server_process.free_ports(), secrets.token_urlsafe(24)
        self._record: ServerRecord | None = None

    def start(self) -> WeaviateProcess:
        """Start it if it does not run."""
        if self._record is None:
            self._record = server_process.start_on(
                self._ports, self._key, server_binary(), self._data, self._vectorizer_url
            )
            assert self._record is not None, "Weaviate did not start"
        return self

    def kill(self) -> None:
        """End it the hard way, as ``kill -9`` does."""
        if self._record is not None:
            os.kill(self._record.pid, signal.SIGKILL)
            os.waitpid(self._record.pid, 0)
            self._record = None

    def lose_the_end_of_its_indexes(self) -> None:
        """Cut off the last third of what each vector index wrote, as a kill at the worst moment does by chance."""
        assert self._record is None, "Weaviate still runs"
        logs = [log for log in self._data.glob("**/*.hnsw.commitlog.d/*") if log.stat().st_size]
        assert logs, f"no vector index has written anything below {self._data}"
        for log in logs:
            os.truncate(log, 2 * log.stat().st_size // 3)

    @property
    def variables(self) -> dict[str, str]:
        """What leads an importer to it."""
        rest, grpc, *_ = self._ports
        return {
            "WEAVIATE_URL": f"http://127.0.0.1:{rest}",
            "WEAVIATE_GRPC_PORT": str(grpc),
            "WEAVIATE_API_KEY": self._key,
        }

    @contextmanager
    def connected(self) -> Iterator[WeaviateClient]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.variables.items():
                patch.setenv(name, value)
            with collections.connect() as client:
                yield client

"""A stand-in vectorizer in a process of its own, which a test can kill and start again on the same port."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

STAND_IN = Path(__file__).with_name("stand_in.py")
IDENTITY = "stand-in@0123456789abcdef"


class VectorizerProcess:
    """The stand-in on one port; ``start`` and ``kill`` as often as wanted."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, identity: str = IDENTITY, delay: float = 0.0, busy: bool = False) -> VectorizerProcess:
        assert self._process is None
        command = [sys.executable, str(STAND_IN), "--port", str(self.port), "--identity", identity]
        command += ["--delay", str(delay), *(["--busy"] if busy else [])]
        self._process = subprocess.Popen(command)
        for _ in range(300):
            if self._ready():
                return self
            time.sleep(0.05)
        raise AssertionError("the stand-in vectorizer did not start")

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/.well-known/ready", timeout=1).status_code == 204
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """End it the hard way, as ``kill -9`` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self, *, identity: str = IDENTITY, delay: float = 0.0, busy: bool = False) -> None:
        self.kill()
        self.start(identity=identity, delay=delay, busy=busy)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])

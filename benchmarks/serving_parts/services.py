"""The services side by side on the same weights, each in a process of its own that is started once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cl2cm_plugin.allocator import SETTING
from cl2cm_plugin.vectorizer.background import background
from serving_parts.samples import ANSWER_KEYS, BODIES, KINDS, TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS, STOCK, STOCK_SET = "cl2cm serve", "stock", "stock, allocator"
STOCKS = (STOCK, STOCK_SET)
_READY_WITHIN, _POLL = 120.0, 0.1
# 8 bits move a vector, another model moves it further.
_LOWEST_COSINE = 0.85
_COMPARED = {"texts": 16, "pictures": 4}
# Numbers of objects that the clients come to last, since a service may remember them.
_APART = 60_000 * TEXTS


@dataclass(frozen=True)
class Service:
    """A service that answers.

    Attributes:
        port: On 127.0.0.1.
        process: Id of its process.
    """

    port: int
    process: int

    def ask(self, path: str, body: bytes | None = None) -> Any:
        """Get a path, or post a body to it, and read the answer's JSON; None if it has none."""
        # No proxy: one from the environment could not reach this machine's loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers)
        with opener.open(request, timeout=60) as response:
            content = response.read()
        return json.loads(content) if content else None


@contextmanager
def running(model: Path, exported: Path) -> Iterator[dict[str, Service]]:
    """Run all of them: stock without and with the allocator setting, and ours.

    Args:
        model: A model folder.
        exported: The same model as `cl2cm export` wrote it.

    Yields:
        The services by name, ready to answer; they are stopped when the block ends.
    """
    plain = {name: value for name, value in os.environ.items() if name not in SETTING}
    with ExitStack() as stack:
        # Alone: it may measure what computes the model fastest here.
        ours = stack.enter_context(background(exported))
        services = {OURS: Service(int(ours.url.rpartition(":")[2]), ours.process.pid)}
        stocks = {
            STOCK: stack.enter_context(_stock(model, plain)),
            STOCK_SET: stack.enter_context(_stock(model, plain | SETTING)),
        }
        for name, (port, process) in stocks.items():
            services[name] = Service(port, process.pid)
            _wait(services[name], process)
        yield services


@contextmanager
def _stock(model: Path, environment: dict[str, str]) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name("stock.py")), str(model), str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield port, process
    finally:
        process.terminate()
        process.wait()


def _wait(service: Service, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return service.ask("/.well-known/ready")
        except (urllib.error.URLError, OSError):
            time.sleep(_POLL)
    sys.exit("The stock service did not start; what it said stands above.")


def check_same_vectors(services: dict[str, Service]) -> float:
    """Make sure that all compute the same vectors; ratios of different things say nothing. It warms them up as well.

    Returns:
        The lowest cosine between a vector of ours and that of a stock service.
    """
    lowest = 1.0
    for kind in KINDS:
        ours = _vectors(services[OURS], kind)
        for stock in STOCKS:
            lowest = min(lowest, float((ours * _vectors(services[stock], kind)).sum(axis=1).min()))
    if not lowest >= _LOWEST_COSINE:
        sys.exit(f"The services give different vectors (a cosine of {lowest:.3f}), so there is nothing to compare.")
    return lowest


def _vectors(service: Service, kind: str) -> np.ndarray:
    """Ask for the vectors of a few objects: unit vectors of shape (objects, d)."""
    make = BODIES[kind]()
    bodies = [make(_APART - 1 - place) for place in range(_COMPARED[kind])]
    answers = [service.ask("/vectorize", one)[ANSWER_KEYS[kind]][0] for one in bodies]
    vectors = np.array(answers, dtype=np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

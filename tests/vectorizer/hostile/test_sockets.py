"""A server as a process, and connections that break the rules of HTTP: it lives and answers the next request."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from random import Random

import numpy as np
import pytest

from ..conftest import text_vector
from .memory import needs_proc, resident
from .wire import BODY, CHUNKED, HEAD, Attack, attacks, good

TESTS = Path(__file__).parents[2]
SERVER = """
from cl2cm_plugin.vectorizer.web.server import bind, run
from vectorizer.conftest import INFO, FakeEngine, Settings

bound = bind("127.0.0.1", 0)
print(bound.getsockname()[1], flush=True)
run([(INFO, FakeEngine)], bound, Settings(request_timeout=3, max_body_bytes=2**21, max_held_bytes=2**22))
"""
ALLOWED = {b"100", b"200", b"400", b"404", b"405", b"413"}
STATUSES = re.compile(rb"^HTTP/1\.1 (\d+)", re.MULTILINE)


class Server:
    def __init__(self, port: int, process: subprocess.Popen):
        self.port = port
        self.process = process
        self.asked = 0

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def is_good(self, padding: int = 0) -> bool:
        """Whether a text that was not asked before has its vector, in a body that is longer if wanted."""
        self.asked += 1
        text = f"good {self.asked}"
        with self.connect() as connection:
            connection.sendall(good(text, padding))
            status, _, body = read(connection).partition(b"\r\n\r\n")
        vector = json.loads(body)["textVectors"][0]
        return status.startswith(b"HTTP/1.1 200 ") and np.allclose(vector, text_vector(text), atol=1e-6)


def read(connection: socket.socket) -> bytes:
    """Read until the server hangs up, or says no more."""
    received = b""
    try:
        while more := connection.recv(65_536):
            received += more
    except (ConnectionError, TimeoutError):
        pass
    return received


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    errors = tmp_path_factory.mktemp("server") / "stderr"
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    with (
        errors.open("wb") as stream,
        subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdout=subprocess.PIPE,
            stderr=stream,
            env=os.environ | {"PYTHONPATH": path},
        ) as process,
    ):
        try:
            yield wait_for(Server(int(process.stdout.readline()), process))
            assert process.poll() is None
        finally:
            process.terminate()
    assert process.returncode in (0, -15)
    assert b"Traceback" not in errors.read_bytes(), errors.read_text(errors="replace")


def wait_for(server: Server) -> Server:
    for _ in range(1000):
        with server.connect() as connection:
            connection.sendall(b"GET /.well-known/ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            if read(connection).startswith(b"HTTP/1.1 204"):
                return server
        time.sleep(0.01)
    raise AssertionError("never became ready")


def send(server: Server, attack: Attack) -> bytes:
    """Send an attack, and receive what is answered before it is clear that nothing more comes."""
    with server.connect() as connection:
        try:
            connection.sendall(attack.data)
            if attack.end == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif attack.end == "half-close":
                connection.shutdown(socket.SHUT_WR)
                return read(connection)
            elif attack.end == "wait":
                connection.settimeout(0.1)
                return read(connection)
        except OSError as error:
            # The server may refuse, and hang up, before everything is sent and the sending half is closed.
            if not isinstance(error, ConnectionError) and error.errno != errno.ENOTCONN:
                raise
    return b""


def test_after_any_breach_of_the_protocol_a_good_request_is_answered(server):
    seen = Counter()
    for attack in attacks(Random("sockets")):
        answer = send(server, attack)
        statuses = STATUSES.findall(answer)
        assert ALLOWED.issuperset(statuses), f"{answer} to {attack}"
        assert server.is_good(), attack
        seen.update(statuses or ["none"])
    assert sum(seen.values()) > 250
    assert {b"200", b"400", b"404", "none"} <= set(seen)


@contextmanager
def held(server: Server, begun: list[bytes]):
    """Connections that have sent something and stay."""
    connections = [server.connect() for _ in begun]
    try:
        for connection, data in zip(connections, begun, strict=True):
            connection.sendall(data)
        yield connections
    finally:
        for connection in connections:
            connection.close()


def test_slow_senders_do_not_stop_others_and_are_told_that_it_took_too_long(server):
    begun = [
        HEAD + b"Content-Length: 23\r\n\r\n",
        CHUNKED + b"17\r\n",
        CHUNKED + b"1\r\n{\r\n",
        HEAD,
        b"POST",
        b"",
    ] * 30
    with held(server, begun) as connections:
        for place in range(10):
            for connection in connections[:90]:
                connection.sendall(BODY[place : place + 1] if connection in connections[::6] else b"")
            assert server.is_good()
        slow = connections[0]
        assert b" 503 " in slow.recv(4096)
    assert server.is_good()


def test_whoever_reads_no_answer_does_not_stop_others(server):
    many = (HEAD + b"Content-Length: 23\r\n\r\n" + BODY) * 500
    with held(server, [many] * 20):
        assert server.is_good()
    assert server.is_good()


@needs_proc
def test_broken_connections_leave_nothing_behind(server):
    cut = [attack for attack in attacks(Random("memory")) if attack.end in ("reset", "close")]
    half = HEAD + b"Content-Length: 400000\r\n\r\n" + bytes(200_000)
    sizes = []
    for _ in range(4):
        for attack in cut:
            send(server, attack)
        for _ in range(20):
            with held(server, [half] * 10):
                # Long enough for the server to read most of it.
                time.sleep(0.02)
        assert server.is_good(padding=1_000_000)
        sizes.append(resident(server.process.pid))
    # All halves of all rounds but the first are 120 MB.
    assert sizes[-1] - sizes[0] < 30, sizes

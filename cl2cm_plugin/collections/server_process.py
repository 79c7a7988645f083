"""Start and end an embedded Weaviate server.

weaviate-client's own embedded mode picks its ports blindly, waits half a minute for a server that died at once, and
leaves gRPC open to the network without a key; so the process is started here, with the same binary and arguments.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from cl2cm_plugin.collections.data_folder import ServerRecord
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

START_SECONDS = 120.0
STOP_SECONDS = 30.0
# The name of the one node is kept in the data, so it must not change with the ports.
NODE = "cl2cm"
LOG = "weaviate.log"
_ATTEMPTS = 3
_LOG_LINES = 5


def free_ports() -> list[int]:
    """Find seven free ports.

    Returns:
        REST, gRPC, profiling, and four that follow one another: gossip, cluster data, Raft and Raft's internal port.
        The server derives the second from the first and the fourth from the third, whatever it is told.
    """
    while True:
        with ExitStack() as held:
            ports = [_take(held, 0) for _ in range(4)]
            try:
                return ports + [_take(held, ports[3] + step) for step in (1, 2, 3)]
            except (OSError, OverflowError):
                continue


def _take(held: ExitStack, port: int) -> int:
    server = held.enter_context(socket.socket())
    server.bind(("", port))
    return int(server.getsockname()[1])


def environment(data: Path, vectorizer_url: str, ports: list[int], key: str) -> dict[str, str]:
    """Build the server's environment variables.

    Args:
        data: The data folder.
        vectorizer_url: The vectorizer's address; the server starts whether it answers or not.
        ports: As :func:`free_ports` gives them.
        key: The API key. gRPC and the cluster's port listen on every interface and cannot be told otherwise, so
            without a key the collections would be open to the network.

    Returns:
        The process's own environment with the server's settings on top.
    """
    _, grpc, profiling, gossip, cluster_data, raft, raft_internal = (str(port) for port in ports)
    return {
        **os.environ,
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
        "AUTHENTICATION_APIKEY_ENABLED": "true",
        "AUTHENTICATION_APIKEY_ALLOWED_KEYS": key,
        "AUTHENTICATION_APIKEY_USERS": "cl2cm",
        "CLIP_INFERENCE_API": vectorizer_url,
        "CLIP_WAIT_FOR_STARTUP": "false",
        "CLUSTER_ADVERTISE_ADDR": "127.0.0.1",
        "CLUSTER_BASIC_AUTH_PASSWORD": key,
        "CLUSTER_BASIC_AUTH_USERNAME": "cl2cm",
        "CLUSTER_BIND_ADDR": "127.0.0.1",
        "CLUSTER_DATA_BIND_PORT": cluster_data,
        "CLUSTER_GOSSIP_BIND_PORT": gossip,
        "CLUSTER_HOSTNAME": NODE,
        "CLUSTER_IN_LOCALHOST": "true",
        "DISABLE_TELEMETRY": "true",
        "ENABLE_MODULES": "multi2vec-clip",
        "GRPC_PORT": grpc,
        "LOG_LEVEL": "error",
        "PERSISTENCE_DATA_PATH": str(data),
        "PROFILING_PORT": profiling,
        "QUERY_DEFAULTS_LIMIT": "20",
        "RAFT_BOOTSTRAP_EXPECT": "1",
        "RAFT_INTERNAL_RPC_PORT": raft_internal,
        "RAFT_JOIN": f"{NODE}:{raft}",
        "RAFT_PORT": raft,
    }


def start(binary: Path, data: Path, vectorizer_url: str) -> ServerRecord:
    """Start a server and wait until it answers.

    Args:
        binary: The server's binary.
        data: The data folder, used by no other server.
        vectorizer_url: The vectorizer's address.

    Returns:
        Where it listens.

    Raises:
        UserError: It ended or did not answer in time; the message quotes the end of its log.
    """
    for _ in range(_ATTEMPTS):
        record = start_on(free_ports(), secrets.token_urlsafe(24), binary, data, vectorizer_url)
        if record is not None:
            return record
        # Another program may have taken a port between the look and the start.
        if "address already in use" not in _log_end(data):
            break
    raise UserError(
        f"The embedded Weaviate server did not start. The end of {data / LOG}: {_log_end(data)!r}. If the folder was "
        "made by another version, name a fresh one with --data and import again."
    )


def start_on(ports: list[int], key: str, binary: Path, data: Path, vectorizer_url: str) -> ServerRecord | None:
    """Start a server on certain ports and wait until it answers.

    Args:
        ports: As :func:`free_ports` gives them.
        key: The API key.
        binary: The server's binary.
        data: The data folder, used by no other server.
        vectorizer_url: The vectorizer's address.

    Returns:
        Where it listens; None if it ended or did not answer in time.
    """
    process = _spawn(binary, data, ports, environment(data, vectorizer_url, ports, key))
    try:
        ready = _wait(process, ports[0])
    except BaseException:
        process.kill()
        process.wait()
        raise
    if not ready:
        return None
    # From here on the record stands for the process, which may outlive this one: no warning about that.
    process.returncode = 0
    return ServerRecord(port=ports[0], grpc_port=ports[1], pid=process.pid, api_key=key)


def _spawn(binary: Path, data: Path, ports: list[int], variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = [str(binary), "--host", "127.0.0.1", "--port", str(ports[0]), "--scheme", "http"]
    command += ["--read-timeout=600s", "--write-timeout=600s"]
    with (data / LOG).open("wb") as log:
        # A session of its own: Ctrl-C reaches us alone, and we end the server after the last request.
        return subprocess.Popen(  # noqa: S603 - our own binary with fixed arguments
            command, env=dict(variables), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def _wait(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        if answers(port):
            return True
        time.sleep(0.1)
    process.kill()
    process.wait()
    return False


def _log_end(data: Path) -> str:
    lines = (data / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    return " / ".join(lines[-_LOG_LINES:])


def answers(port: int) -> bool:
    """Whether a server on 127.0.0.1 says that it is ready."""
    try:
        # `trust_env` off: a proxy of the environment must not stand between us and our own machine.
        url = f"http://127.0.0.1:{port}/v1/.well-known/ready"
        return httpx.get(url, timeout=5.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def stop(record: ServerRecord) -> None:
    """End a server that a cl2cm process started, and wait for it; data is written out first.

    Args:
        record: Where it listens. A process of that number which is not this server is left alone.
    """
    if not is_ours(record):
        return
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(record.pid, kind)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if not is_ours(record):
                return
            time.sleep(0.05)


def is_ours(record: ServerRecord) -> bool:
    """Whether the recorded process still runs and is the recorded server: process numbers are used again."""
    with suppress(ChildProcessError):
        os.waitpid(record.pid, os.WNOHANG)  # an ended child stays visible until it is waited for
    try:
        command = Path(f"/proc/{record.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        command = _command_by_ps(record.pid)
    return "weaviate" in command and f"--port {record.port} " in command


def _command_by_ps(pid: int) -> str:
    if Path("/proc/self").exists():
        return ""
    listing = ["ps", "-o", "command=", "-p", str(pid)]
    return subprocess.run(listing, capture_output=True, text=True, check=False).stdout  # noqa: S603 - fixed command

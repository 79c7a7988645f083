from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest

from cl2cm_plugin import UserError
from cl2cm_plugin.collections import server, server_process
from cl2cm_plugin.collections.data_folder import DataFolder, ServerRecord

# Stands for the server: it answers the ready call on its port.
BINARY = f"""#!{sys.executable}
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def binary(tmp_path, monkeypatch):
    file = tmp_path / "weaviate-fake"
    file.write_text(BINARY)
    file.chmod(0o755)
    monkeypatch.setattr(server, "server_binary", lambda: file)
    return file


def test_the_last_one_out_ends_the_server(binary, tmp_path):
    data = tmp_path / "data"
    with server.embedded_server("http://127.0.0.1:9000", data) as first:
        with server.embedded_server("http://127.0.0.1:9000", data) as second:
            assert second == first
        assert server_process.is_ours(first)
        assert (data / "server.json").stat().st_mode & 0o777 == 0o600
    assert not server_process.is_ours(first)
    assert DataFolder(data).read() is None


def test_an_error_inside_ends_the_server(binary, tmp_path):
    with pytest.raises(RuntimeError), server.embedded_server("http://127.0.0.1:9000", tmp_path / "data") as record:
        raise RuntimeError
    assert not server_process.is_ours(record)


def test_a_record_of_somebody_elses_process_ends_nobody(binary, tmp_path):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        data = tmp_path / "data"
        DataFolder(data).write(ServerRecord(port=1, grpc_port=2, pid=stranger.pid, api_key=""))
        with server.embedded_server("http://127.0.0.1:9000", data) as record:
            assert record.pid != stranger.pid
        assert stranger.poll() is None
        stranger.kill()


def test_a_server_that_dies_is_reported_at_once_with_its_log(binary, tmp_path):
    binary.write_text("#!/bin/sh\necho 'level=fatal: data of another version'\nexit 1\n")
    start = time.monotonic()
    with (
        pytest.raises(UserError, match=r"did not start.*data of another version"),
        server.embedded_server("http://127.0.0.1:9000", tmp_path / "data"),
    ):
        pass
    assert time.monotonic() - start < 5


def test_ports_are_free_and_the_clusters_follow_one_another():
    ports = server_process.free_ports()
    assert len(set(ports)) == 7
    assert ports[3:] == list(range(ports[3], ports[3] + 4))
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("", port))


def test_the_environment_asks_for_the_key_and_keeps_the_nodes_name(tmp_path):
    first, second = (
        server_process.environment(tmp_path, "http://h:9000", [base + i for i in range(7)], "key") for base in (1, 20)
    )
    assert first["AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED"] == "false"
    assert first["CLUSTER_HOSTNAME"] == second["CLUSTER_HOSTNAME"]
    assert first["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://h:8080", ("h", 8080, False)),
        ("https://h.example", ("h.example", 443, True)),
        ("http://h", ("h", 80, False)),
    ],
)
def test_an_address_is_taken_apart(url, parts):
    assert server._parts(url) == parts


@pytest.mark.parametrize("url", ["localhost:8080", "grpc://h", "http://h:port"])
def test_what_is_no_address_is_one_clear_sentence(url, monkeypatch):
    monkeypatch.setenv("WEAVIATE_URL", url)
    with pytest.raises(UserError, match="is no address: write it like"), server.connect():
        pass


def test_a_port_that_is_none_is_one_clear_sentence(monkeypatch):
    monkeypatch.setenv("WEAVIATE_URL", "http://h")
    monkeypatch.setenv("WEAVIATE_GRPC_PORT", "many")
    with pytest.raises(UserError, match="WEAVIATE_GRPC_PORT=many is no port number"), server.connect():
        pass

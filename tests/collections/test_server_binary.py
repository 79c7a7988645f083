from __future__ import annotations

import os

import httpx
import pytest

from cl2cm_plugin import UserError
from cl2cm_plugin.collections import server_binary as module

GO = """#!/bin/sh
[ "$CGO_ENABLED" = 0 ] || exit 3
echo "$@" > "$GOBIN/../arguments"
echo "go: {says}" >&2
[ {status} = 0 ] && printf built > "$GOBIN/weaviate-server"
exit {status}
"""


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(module, "can_download", lambda: False)
    monkeypatch.setenv("PATH", "/nowhere")


def fake_go(folder, monkeypatch, *, status=0, says="done"):
    folder.mkdir()
    (folder / "go").write_text(GO.format(status=status, says=says))
    (folder / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_the_name_is_the_one_that_weaviate_client_expects(tmp_path):
    assert module.cached_path(tmp_path).name == (
        "weaviate-v1.38.11-287467516990874745830edc656937706094f7415ec362b548f23c343acc3548"
    )


def test_a_cached_binary_is_taken_and_made_executable(tmp_path, offline):
    module.cached_path(tmp_path).write_text("cached")
    assert module.server_binary(tmp_path) == module.cached_path(tmp_path)
    assert os.access(module.cached_path(tmp_path), os.X_OK)


def test_a_download_comes_before_a_build(tmp_path, monkeypatch):
    def ensure(embedded):
        module.cached_path(module.Path(embedded.options.binary_path)).write_text("downloaded")

    monkeypatch.setattr(module, "can_download", lambda: True)
    monkeypatch.setattr(module.EmbeddedV4, "ensure_weaviate_binary_exists", ensure)
    monkeypatch.setattr(module.shutil, "which", lambda _: pytest.fail("Go was looked for"))
    assert module.server_binary(tmp_path).read_text() == "downloaded"
    assert [path.name for path in tmp_path.iterdir()] == [module.cached_path(tmp_path).name]


def test_go_builds_where_nothing_can_be_downloaded(tmp_path, offline, monkeypatch):
    fake_go(tmp_path / "bin", monkeypatch)
    binary = module.server_binary(tmp_path / "cache")
    assert binary.read_text() == "built"
    assert os.access(binary, os.X_OK)
    arguments = (tmp_path / "cache" / "arguments").read_text().strip()
    assert arguments == f"install -trimpath -ldflags -s -w {module.GO_MODULE}"


def test_go_builds_where_a_download_breaks_off(tmp_path, monkeypatch):
    def ensure(_):
        raise OSError("connection reset")

    monkeypatch.setattr(module, "can_download", lambda: True)
    monkeypatch.setattr(module.EmbeddedV4, "ensure_weaviate_binary_exists", ensure)
    fake_go(tmp_path / "bin", monkeypatch)
    assert module.server_binary(tmp_path / "cache").read_text() == "built"


def test_without_any_way_all_three_ways_out_are_named(tmp_path, offline):
    with pytest.raises(UserError, match=r"no Go toolchain.*WEAVIATE_URL.*put the binary.*install Go"):
        module.server_binary(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_build_is_quoted(tmp_path, offline, monkeypatch):
    fake_go(tmp_path / "bin", monkeypatch, status=1, says="no space left on device")
    with pytest.raises(UserError, match=r"`go install .*` failed \(go: no space left on device\)"):
        module.server_binary(tmp_path / "cache")


def test_a_release_host_that_never_answers_costs_only_the_probe(monkeypatch):
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.05)
    monkeypatch.setattr(module.httpx, "head", lambda *_, **__: module.time.sleep(1) or httpx.Response(200))
    start = module.time.monotonic()
    assert not module.can_download()
    assert module.time.monotonic() - start < 0.5

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from cl2cm_plugin import allocator

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
CODE = """
import os, sys
from cl2cm_plugin.allocator import restart_with_fast_allocator
restart_with_fast_allocator()
print(os.environ.get("MALLOC_MMAP_MAX_"), os.environ.get("MALLOC_TRIM_THRESHOLD_"), *sys.argv[1:])
"""


def run(monkeypatch, **environment):
    for name in allocator.SETTING:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-c", CODE, "an argument"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_process_starts_anew_once_with_the_setting_and_its_arguments(monkeypatch):
    assert run(monkeypatch) == "0 8589934592 an argument"


def test_a_users_own_setting_is_kept(monkeypatch):
    assert run(monkeypatch, MALLOC_MMAP_MAX_="7") == "7 None an argument"

"""How much memory a process holds."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells its memory on Linux only")


def resident(process: int | str = "self") -> float:
    """MiB of memory that a process holds."""
    gc.collect()
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024

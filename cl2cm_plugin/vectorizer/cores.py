"""How many cores there are to work with."""

from __future__ import annotations

import os
from pathlib import Path

_NO_QUOTA = 1 << 16


def visible() -> int:
    """Count the cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def granted() -> int:
    """Count the cores' worth of time that it gets: in a container often less than it sees."""
    return max(1, min(visible(), _quota()))


def _quota() -> int:
    """Return the cores that the container may use (cgroup 2)."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return -(-int(limit) // int(period))
    except (OSError, ValueError):
        return _NO_QUOTA

"""Start a command anew with an allocator setting that makes torch on the CPU much faster.

Without it glibc returns the memory of every large tensor to the system and fetches it again, and most of the time goes
into page faults. The variables must be in the environment before the process starts.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

SETTING = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8589934592"}


def restart_with_fast_allocator() -> None:
    """Replace this process by itself with the setting, once; elsewhere than on glibc, do nothing.

    A user's own values of the variables are kept.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in SETTING):
        return
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **SETTING})  # noqa: S606 - itself


def give_back() -> None:
    """Give memory that was freed back to the system, where the C library would keep it (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

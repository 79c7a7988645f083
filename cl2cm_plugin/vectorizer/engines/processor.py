"""What the processor can do."""

from __future__ import annotations

import platform
from pathlib import Path

_BF16 = ("avx512_bf16", "amx_bf16")


def processor() -> str:
    """Describe the processor by its model and its features."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


def has_bf16() -> bool:
    """Whether it computes in bfloat16."""
    return any(name in processor().split() for name in _BF16)

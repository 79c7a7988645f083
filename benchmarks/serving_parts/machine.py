"""Where and with what it was measured."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from cl2cm_plugin.vectorizer import cores

# Those that matter to a model in 8 bits or in single precision.
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "amx_bf16")
EIGHT_BITS = {"avx512_vnni", "avx_vnni", "amx_int8"}
_PACKAGES = (
    "cl2cm-plugin",
    "onnxruntime",
    "openvino",
    "torch",
    "sentence-transformers",
    "transformers",
    "tokenizers",
    "fastapi",
    "uvicorn",
    "uvloop",
    "httptools",
    "orjson",
    "numpy",
    "pillow",
)


def facts() -> dict[str, Any]:
    """Name the processor, what it can do, and the versions of what runs on it."""
    about = _processor()
    flags = set(about.get("flags", "").split())
    return {
        "processor": about.get("model name") or platform.processor() or platform.machine(),
        "cores": cores.visible(),
        "instructions": [name for name in _INSTRUCTIONS if name in flags],
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def cpu_seconds(process: int) -> float | None:
    """Tell how much CPU time a process has used, with its threads and the system's work for it; None if unknown."""
    try:
        line = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name, in brackets, may hold spaces; time for itself and the system's time for it are 14th and 15th.
    values = line.rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def _processor() -> dict[str, str]:
    """Read what Linux says of the first core."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None

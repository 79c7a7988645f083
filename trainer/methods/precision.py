"""The precision of the forward pass, as a recipe's line and the hardware decide."""

from __future__ import annotations

from typing import Any

import torch

_NAMES = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}


def lightning_precision(choice: str) -> Any:
    """Name the precision as Lightning does.

    Args:
        choice: ``float32``, ``bfloat16``, ``float16``, or ``auto``: bfloat16 where the hardware multiplies in it, else
            single precision.

    Returns:
        Lightning's name; weights stay in single precision in all of them.
    """
    if choice == "auto":
        choice = "bfloat16" if _multiplies_bfloat16() else "float32"
    return _NAMES[choice]


def bfloat16_on_the_cpu(choice: str) -> bool:
    """Say whether the CPU, beside a GPU or alone, computes in bfloat16: where recipe and processor do."""
    return choice in {"auto", "bfloat16"} and _cpu_multiplies_bfloat16()


def _multiplies_bfloat16() -> bool:
    # Asking a GPU for more would start CUDA here, and processes could no longer be forked; older ones than Ampere need
    # `float16` in the recipe.
    return torch.cuda.is_available() or _cpu_multiplies_bfloat16()


def _cpu_multiplies_bfloat16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())

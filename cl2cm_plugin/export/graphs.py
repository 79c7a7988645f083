"""A tower as an ONNX graph in single precision."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import torch

from cl2cm_plugin.exported.folder import SENTENCE

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

# Above what ONNX Runtime's quantisation and OpenVINO of the last years read.
_OPSET = 18


def write_text_graph(tower: nn.Module, file: Path) -> None:
    """Write a text tower: inputs ``input_ids`` and ``attention_mask``, int64 of shape (n, tokens)."""
    batch, tokens = torch.export.Dim("batch"), torch.export.Dim("tokens")
    # Two tensors, or the graph would have one input; no length of 1, which would become a constant.
    inputs = {name: torch.ones(2, 7, dtype=torch.int64) for name in ("input_ids", "attention_mask")}
    _write(tower, inputs, {name: {0: batch, 1: tokens} for name in inputs}, file)


def write_image_graph(tower: nn.Module, pixels: tuple[int, int], file: Path) -> None:
    """Write an image tower: input ``pixel_values``, float32 of shape (n, 3, height, width)."""
    inputs = {"pixel_values": torch.zeros(2, 3, *pixels)}
    _write(tower, inputs, {"pixel_values": {0: torch.export.Dim("batch")}}, file)


@torch.inference_mode()
def _write(tower: nn.Module, inputs: dict[str, Tensor], shapes: dict[str, Any], file: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # The exporter warns of its own workings.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            tower.eval(),
            kwargs=inputs,
            f=str(file),
            input_names=list(inputs),
            output_names=[SENTENCE],
            dynamic_shapes=shapes,
            opset_version=_OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )

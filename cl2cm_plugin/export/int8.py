"""A tower in 8 bits: texts by scales that each row finds as it comes, pictures by calibrated ranges."""

from __future__ import annotations

import logging
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from cl2cm_plugin.export import rowwise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MAX_INT8, _MAX_7_BITS = 127, 63


def quantise_text(source: Path, target: Path, kept: Sequence[str] = (), *, seven_bits: bool = False) -> None:
    """Write a text tower in 8 bits: weights by output channel, activations by token as they come, embeddings by row.

    Args:
        source: The graph in single precision.
        target: Where to write.
        kept: Names of nodes that stay in single precision.
        seven_bits: Weights use 7 bits of the 8: processors without VNNI clip sums of the full range.
    """
    model = onnx.load(str(source))
    _quantise_embeddings(model.graph)
    rowwise.quantise(model.graph, kept, _MAX_7_BITS if seven_bits else _MAX_INT8)
    onnx.save(model, str(target))


def quantise_images(
    source: Path, target: Path, batches: Iterable[np.ndarray], kept: Sequence[str] = (), *, seven_bits: bool = False
) -> None:
    """Write an image tower in 8 bits: ranges from pictures that are shown to it.

    Args:
        source: The graph in single precision.
        target: Where to write.
        batches: Prepared pictures, float32 of shape (n, 3, height, width).
        kept: Names of nodes that stay in single precision.
        seven_bits: As in `quantise_text`.
    """
    with _quietly(), tempfile.TemporaryDirectory() as place:
        prepared = Path(place) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            _Batches(batches),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=seven_bits,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=list(kept),
        )


def nodes(file: Path, kinds: Sequence[str]) -> list[str]:
    """Name the nodes of some kinds in a graph, in their order."""
    return [node.name for node in onnx.load(str(file), load_external_data=False).graph.node if node.op_type in kinds]


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, batches: Iterable[np.ndarray]) -> None:
        self._rows: Iterator[dict[str, np.ndarray]] = ({"pixel_values": batch} for batch in batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._rows, None)


def _quantise_embeddings(graph: Any) -> None:
    """Keep the largest table that is looked up by row as 8-bit numbers and one scale a row."""
    tables = {tensor.name: tensor for tensor in graph.initializer}
    lookups = [node for node in graph.node if node.op_type == "Gather" and node.input[0] in tables]
    lookup = max(lookups, key=lambda node: len(tables[node.input[0]].raw_data))
    table = tables[lookup.input[0]]
    values = numpy_helper.to_array(table).astype(np.float32)
    scales = np.abs(values).max(axis=1, keepdims=True) / _MAX_INT8
    rounded = np.rint(values / np.where(scales > 0, scales, 1)).astype(np.int8)
    graph.initializer.remove(table)
    names = {part: f"{table.name}.{part}" for part in ("rounded", "scales", "row", "scale", "float")}
    graph.initializer.append(numpy_helper.from_array(rounded, names["rounded"]))
    graph.initializer.append(numpy_helper.from_array(scales, names["scales"]))
    ids, place = lookup.input[1], list(graph.node).index(lookup)
    parts = [
        helper.make_node("Gather", [names["rounded"], ids], [names["row"]], names["row"]),
        helper.make_node("Gather", [names["scales"], ids], [names["scale"]], names["scale"]),
        helper.make_node("Cast", [names["row"]], [names["float"]], names["float"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [names["float"], names["scale"]], list(lookup.output), lookup.name),
    ]
    graph.node.remove(lookup)
    for offset, part in enumerate(parts):
        graph.node.insert(place + offset, part)


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence the library's advice on how it might be called."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)

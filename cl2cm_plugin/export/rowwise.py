"""Matrix products in 8 bits with a scale for every row of the input, so that no row depends on its company.

The runtime's own dynamic quantisation takes one range for a whole batch: a text's vector then changes with the texts
that happen to be encoded with it (a cosine down to 0.97), and one outlier coarsens all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Collection

_MAX_INPUT = 127
_MIDDLE = 128
_SMALLEST_SCALE = 1e-9


def quantise(graph: Any, kept: Collection[str], max_weight: int) -> None:
    """Put every product with a constant matrix into 8 bits, in place.

    Inputs are scaled by row to -127..127 as they come, weights by output channel once:
    ``y = s_x (x_8 W_8) s_W`` with ``s_x = max|x| / 127`` of the row.

    Args:
        graph: An ONNX graph.
        kept: Names of nodes that stay as they are.
        max_weight: Weights go from minus to plus this: 127, or 63 for 7 bits.
    """
    _Rewriting(graph, max_weight).products(kept)


class _Rewriting:
    def __init__(self, graph: Any, max_weight: int) -> None:
        self._graph = graph
        self._max_weight = max_weight
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._nodes: list[Any] = []
        self._rounded: dict[str, tuple[str, str]] = {}

    def products(self, kept: Collection[str]) -> None:
        for node in self._graph.node:
            weight = self._tensors.get(node.input[1]) if node.op_type == "MatMul" else None
            if weight is None or len(weight.dims) != 2 or node.name in kept:
                self._nodes.append(node)
            else:
                self._product(node, numpy_helper.to_array(weight).astype(np.float32))
        nodes = list(self._nodes)
        del self._graph.node[:]
        self._graph.node.extend(nodes)
        used = {name for node in nodes for name in node.input}
        for tensor in [tensor for tensor in self._graph.initializer if tensor.name not in used]:
            self._graph.initializer.remove(tensor)

    def _product(self, node: Any, weight: np.ndarray) -> None:
        (source, name), out = node.input, node.output[0]
        scales = np.abs(weight).max(axis=0, keepdims=True) / self._max_weight
        rounded = np.rint(weight / np.where(scales > 0, scales, 1)).astype(np.int8)
        row, row_scale = self._round(source)
        whole = self._add(
            "MatMulInteger", row, self._keep(f"{name}.rounded", rounded), self._middle(), out=f"{out}.whole"
        )
        number = self._add("Cast", whole, out=f"{out}.number", to=TensorProto.FLOAT)
        # One after the other: a product of both scales would be fused into a kernel that takes one for all rows.
        half = self._add("Mul", number, self._keep(f"{name}.scales", scales), out=f"{out}.half")
        self._add("Mul", half, row_scale, out=out)

    def _round(self, source: str) -> tuple[str, str]:
        """Round an input by row, once for all products that take it: names of the numbers and of their scales."""
        if source not in self._rounded:
            sizes = self._add("Abs", source, out=f"{source}.sizes")
            last = self._keep("rowwise.last", np.array([-1], np.int64))
            largest = self._add("ReduceMax", sizes, last, out=f"{source}.largest", keepdims=1)
            step = self._add("Div", largest, self._constant("most", _MAX_INPUT), out=f"{source}.step")
            # A row of zeros, which padding may be, has no scale.
            scale = self._add("Max", step, self._constant("smallest", _SMALLEST_SCALE), out=f"{source}.scale")
            steps = self._add("Div", source, scale, out=f"{source}.steps")
            whole = self._add("Round", steps, out=f"{source}.whole")
            shifted = self._add("Add", whole, self._constant("middle", _MIDDLE), out=f"{source}.shifted")
            byte = self._add("Cast", shifted, out=f"{source}.byte", to=TensorProto.UINT8)
            self._rounded[source] = byte, scale
        return self._rounded[source]

    def _middle(self) -> str:
        return self._keep("rowwise.zero", np.array(_MIDDLE, np.uint8))

    def _constant(self, name: str, value: float) -> str:
        return self._keep(f"rowwise.{name}", np.array(value, np.float32))

    def _keep(self, name: str, value: np.ndarray) -> str:
        if name not in self._tensors:
            self._tensors[name] = numpy_helper.from_array(value, name)
            self._graph.initializer.append(self._tensors[name])
        return name

    def _add(self, kind: str, *inputs: str, out: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [out], f"{out}.{kind}", **attributes))
        return out

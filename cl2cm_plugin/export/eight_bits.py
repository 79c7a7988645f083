"""Finds how much of a tower can be in 8 bits: as much as keeps its vectors, tried in the order of speed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import onnx

from cl2cm_plugin.export import int8
from cl2cm_plugin.export.parity import Cosines, cosines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np

_CALIBRATED_AT_ONCE = 8


@dataclass(frozen=True)
class Attempt:
    """One way of putting a tower into 8 bits.

    Attributes:
        kept: What stays in single precision, in words.
        seven_bits: Whether weights use 7 bits, for processors that clip.
        cosines: How close the vectors came to those of single precision.
        vectors: The samples' vectors, shape (n, d).
    """

    kept: str
    seven_bits: bool
    cosines: Cosines
    vectors: np.ndarray

    def figures(self) -> dict[str, Any]:
        """Give what a report says of it."""
        return {"kept": self.kept, "seven_bits": self.seven_bits, "cosines": asdict(self.cosines)}


def text_attempts(source: Path, target: Path, encode: Callable[[], np.ndarray], exact: np.ndarray) -> list[Attempt]:
    """Put a text tower into 8 bits.

    Args:
        source: Its graph in single precision.
        target: Where to write; afterwards the last attempt's graph.
        encode: Encodes the sample texts with the graph at ``target``.
        exact: The samples' vectors in single precision.

    Returns:
        The attempts up to the first that suffices; none of them did if the last does not.
    """
    last, narrowing = _projection(source), _narrowing(source)
    choices = [("nothing", []), ("the projection", last), ("the projection and narrowing layers", last + narrowing)]

    def quantise(kept: Sequence[str], seven_bits: bool) -> None:
        int8.quantise_text(source, target, kept, seven_bits=seven_bits)

    return _attempts(choices, quantise, encode, exact)


def image_attempts(
    source: Path, target: Path, calibration: np.ndarray, encode: Callable[[], np.ndarray], exact: np.ndarray
) -> list[Attempt]:
    """Put an image tower into 8 bits; see `text_attempts`.

    Args:
        source: Its graph in single precision.
        target: Where to write.
        calibration: Prepared pictures that ranges are taken from, shape (n, 3, height, width).
        encode: Encodes the sample pictures with the graph at ``target``.
        exact: The samples' vectors in single precision.

    Returns:
        The attempts.
    """
    first, last = _first_convolutions(source), _projection(source)
    choices = [("the first two layers", first), ("the first two layers and the projection", first + last)]

    def quantise(kept: Sequence[str], seven_bits: bool) -> None:
        starts = range(0, len(calibration), _CALIBRATED_AT_ONCE)
        batches = (calibration[start : start + _CALIBRATED_AT_ONCE] for start in starts)
        int8.quantise_images(source, target, batches, kept, seven_bits=seven_bits)

    return _attempts(choices, quantise, encode, exact)


def _attempts(
    choices: Sequence[tuple[str, list[str]]],
    quantise: Callable[[Sequence[str], bool], None],
    encode: Callable[[], np.ndarray],
    exact: np.ndarray,
) -> list[Attempt]:
    made: list[Attempt] = []
    for seven_bits in (False, True):
        for words, kept in choices:
            quantise(kept, seven_bits)
            vectors = encode()
            made.append(Attempt(words, seven_bits, cosines(exact, vectors), vectors))
            if made[-1].cosines.suffices:
                return made
    return made


def _projection(file: Path) -> list[str]:
    return int8.nodes(file, ["MatMul", "Gemm"])[-1:]


def _narrowing(file: Path) -> list[str]:
    """Name the matrices that have fewer outputs than inputs: a feed-forward block's second, where outliers meet."""
    graph = onnx.load(str(file), load_external_data=False).graph
    shapes = {tensor.name: tensor.dims for tensor in graph.initializer}
    products = [(node.name, shapes.get(node.input[1], ())) for node in graph.node if node.op_type == "MatMul"]
    return [name for name, shape in products if len(shape) == 2 and shape[0] > shape[1]]


def _first_convolutions(file: Path) -> list[str]:
    return int8.nodes(file, ["Conv"])[:2]

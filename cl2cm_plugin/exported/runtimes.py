"""What runs an exported tower: ONNX Runtime, or OpenVINO where it is installed; both read the same graphs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import onnxruntime

from cl2cm_plugin.exported.folder import SENTENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

# Errors alone: the runtime warns of its own workings.
_ERRORS = 3


@dataclass(frozen=True)
class Way:
    """How a tower is computed.

    Attributes:
        runtime: ``onnx`` or ``openvino``.
        precision: ``fp32``, ``int8``, or ``bf16``, which OpenVINO makes of single precision as it loads.
    """

    runtime: str = "onnx"
    precision: str = "fp32"

    @property
    def stored(self) -> str:
        """The precision of the graph's file."""
        return "fp32" if self.precision == "bf16" else self.precision

    def __str__(self) -> str:
        return f"{self.runtime}-{self.precision}"


class Session(Protocol):
    """A tower that is ready to run."""

    def __call__(self, **inputs: np.ndarray) -> np.ndarray:
        """Run a batch: inputs by the graph's own names, unit vectors float32 of shape (n, d) out."""


def installed() -> list[str]:
    """List the runtimes that are here."""
    return [name for name in RUNTIMES if find_spec(_PACKAGES[name])]


def version(runtime: str) -> str:
    """Tell the version of a runtime that is installed."""
    from importlib.metadata import version as of

    return of(_PACKAGES[runtime])


def open_graph(file: Path, way: Way, threads: int = 0, *, alone: bool = False) -> Session:
    """Load a tower's graph.

    Args:
        file: The graph, in the precision that the way needs.
        way: How to compute it.
        threads: Threads that work on one batch; the runtime's choice if 0.
        alone: Whether nobody else needs the cores meanwhile. These threads then wait for each other awake (ONNX
            Runtime) or stay each on its core (OpenVINO). Pictures are a tenth slower so, since those that decode them
            share the cores; a text is a quarter faster with ONNX Runtime.

    Returns:
        The tower.
    """
    return RUNTIMES[way.runtime](file, way.precision, threads, alone)


class OnnxSession:
    """Runs a graph with ONNX Runtime on the CPU; see `open_graph`."""

    def __init__(self, file: Path, _precision: str, threads: int, alone: bool) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(alone)))
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def __call__(self, **inputs: np.ndarray) -> np.ndarray:
        """See `Session`."""
        vectors: np.ndarray = self._session.run([SENTENCE], inputs)[0]
        return vectors


class OpenvinoSession:
    """Runs a graph with OpenVINO on the CPU; see `open_graph`."""

    def __init__(self, file: Path, precision: str, threads: int, alone: bool) -> None:
        import openvino

        # Without the hint it would choose bf16 by itself where the processor has it.
        hint = "bf16" if precision == "bf16" else "f32"
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": hint, "ENABLE_CPU_PINNING": alone}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        self._model = openvino.Core().compile_model(str(file), "CPU", settings)

    def __call__(self, **inputs: np.ndarray) -> np.ndarray:
        """See `Session`."""
        # Its answer lies in memory that the next batch writes over.
        vectors: np.ndarray = self._model(inputs)[SENTENCE].copy()
        return vectors


RUNTIMES: dict[str, Callable[[Path, str, int, bool], Session]] = {"onnx": OnnxSession, "openvino": OpenvinoSession}
_PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}

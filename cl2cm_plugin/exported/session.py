"""One exported tower, run by ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnxruntime

from cl2cm_plugin.exported.folder import SENTENCE

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

# Errors alone: the runtime warns of its own workings.
_ERRORS = 3


class Session:
    """Runs a graph on the CPU.

    Args:
        file: The graph.
        threads: Threads that work on one batch; the runtime's choice if 0.
    """

    def __init__(self, file: Path, threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS
        options.intra_op_num_threads = threads
        # Its threads would spin between batches and take the cores from those that decode pictures.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def __call__(self, **inputs: np.ndarray) -> np.ndarray:
        """Run a batch: inputs by the graph's own names, unit vectors float32 of shape (n, d) out."""
        vectors: np.ndarray = self._session.run([SENTENCE], inputs)[0]
        return vectors

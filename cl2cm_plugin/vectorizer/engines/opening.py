"""Which engine runs a model: decided where a command begins, opened where the engine is to work."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cl2cm_plugin.vectorizer.engines import Engine
    from cl2cm_plugin.vectorizer.engines.choice import Wanted


@dataclass(frozen=True)
class Opening:
    """How a model's engine is opened: in this process, or in another that sees the same folder.

    Attributes:
        folder: The model's folder.
        wanted: What the ways of computing an exported model are chosen from; None for a model that runs on torch.
        threads: Threads that work on one batch of an exported model; None takes every core. Torch takes what the
            environment grants it.
        ways: For each tower the way that was chosen elsewhere; it is taken wherever it can be computed.
    """

    folder: Path
    wanted: Wanted | None = None
    threads: int | None = None
    ways: Mapping[str, str] = field(default_factory=dict)

    def open(self) -> Engine:
        """Load the model; imports nothing that the other kind of model needs.

        Raises:
            UserError: It cannot be loaded.
        """
        if self.wanted is None:
            from cl2cm_plugin.vectorizer.engines.torch_engine import TorchEngine

            return TorchEngine(self.folder)
        from cl2cm_plugin.encoder.backbones import cache_folder
        from cl2cm_plugin.vectorizer.engines.exported_engine import ExportedEngine

        remembered = cache_folder() / "engines.json"
        return ExportedEngine(self.folder, self.wanted, remembered, threads=self.threads, ways=self.ways)


def opening(model: str, runtime: str, precision: str) -> Opening:
    """Find a model.

    Args:
        model: A folder that ``cl2cm export`` wrote, a model folder, or the name of an installed model.
        runtime: As `cl2cm_plugin.vectorizer.engines.choice.Wanted` has it.
        precision: As well.

    Returns:
        How its engine is opened.

    Raises:
        UserError: There is no such model, or it cannot run in what is wanted.
    """
    from cl2cm_plugin.exported.folder import is_exported

    folder = Path(model)
    if is_exported(folder):
        from cl2cm_plugin.vectorizer.engines.choice import Wanted

        return Opening(folder, Wanted(runtime, precision))
    if runtime != "auto" or precision not in ("auto", "fp32"):
        raise UserError(
            f"{model} is no exported model, so it runs on torch in single precision: leave --engine and --precision "
            f"out, or write it for serving with `cl2cm export {model} FOLDER` and take that folder."
        )
    from cl2cm_plugin.encoder import model_store

    return Opening(model_store.resolve(model))

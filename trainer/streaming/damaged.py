"""Pictures that could not be opened: counted while a stage trains, in a table afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch.distributed as dist
from lightning.pytorch.callbacks import Callback

from cl2cm_plugin.tables import read_table, write_table
from trainer.streaming.networks import DAMAGED

if TYPE_CHECKING:
    from pathlib import Path

    import lightning as L

DAMAGED_PICTURES = "damaged-pictures.tsv"
"""The table in a run's folder of the pictures that could not be opened: media_id, reason."""

_COLUMNS = ("media_id", "reason")


def damaged_pictures(file: Path) -> dict[str, str]:
    """Read which pictures a run could not open, and why; none if there is no such table."""
    return dict(read_table(file, _COLUMNS)) if file.is_file() else {}  # type: ignore[arg-type]


class DamagedPictures(Callback):
    """Collect what no process could open.

    Args:
        file: A table of it, written at the end of every epoch in which something was found.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._found = file, damaged_pictures(file)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the damaged pictures of a batch."""
        self._found.update(batch.get("pictures", batch).get(DAMAGED, ()))

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Join what the processes found; the first one writes it."""
        if dist.is_available() and dist.is_initialized():
            everybodys: list[Any] = [None] * dist.get_world_size()
            dist.all_gather_object(everybodys, self._found)
            self._found = {media_id: reason for found in everybodys for media_id, reason in found.items()}
        if self._found and trainer.is_global_zero:
            temporary = self._file.with_suffix(".tmp")
            write_table(temporary, _COLUMNS, sorted(self._found.items()))
            temporary.rename(self._file)

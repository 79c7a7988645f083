"""Captioned media for training and evaluation: readers, training data, batches, cached image features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from trainer.corpus import benchmark_photographs, captioned_media
from trainer.corpus.captioned_media import CaptionedMedia

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CaptionedMedia", "read"]


def read(folder: Path) -> CaptionedMedia:
    """Read a corpus in any format that is known here.

    Args:
        folder: A captioned-media folder, or a copy of the benchmark photographs.

    Returns:
        The corpus.

    Raises:
        UserError: There is no such folder, or it is in no known format.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}; --data wants a folder of captioned media.")
    for reader in (benchmark_photographs, captioned_media):
        if reader.recognises(folder):
            return reader.read(folder)
    raise UserError(
        f"{folder} is no captioned-media folder: it holds no media/ with captions/<language>.tsv "
        "(columns media_id and caption)."
    )

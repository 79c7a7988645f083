"""Captioned media for training and evaluation: readers, training data, batches, cached image features."""

from __future__ import annotations

from pathlib import Path

from cl2cm_plugin.encoder.backbones import cache_folder
from cl2cm_plugin.errors import UserError
from trainer.corpus import benchmark_photographs, captioned_media, vatex
from trainer.corpus.captioned_media import CaptionedMedia

__all__ = ["CaptionedMedia", "read", "read_corpus"]


def read_corpus(name_or_folder: str) -> CaptionedMedia:
    """Read a corpus as the command line names it, or make the one that is known by name.

    Args:
        name_or_folder: A folder, or ``openmoji``.

    Returns:
        The corpus.

    Raises:
        UserError: There is no such folder, or it is no corpus.
    """
    folder = Path(name_or_folder)
    if name_or_folder == "openmoji" and not folder.is_dir():
        # Needs the extra `pictures`, as no other corpus does.
        from trainer.corpus import openmoji

        folder = openmoji.build(cache_folder() / "corpora" / "openmoji")
    return read(folder)


def read(folder: Path) -> CaptionedMedia:
    """Read a corpus in any format that is known here.

    Args:
        folder: A captioned-media folder, or a copy of the benchmark photographs or of VATEX.

    Returns:
        The corpus.

    Raises:
        UserError: There is no such folder, or it is in no known format.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}; --data wants a folder of captioned media.")
    for reader in (benchmark_photographs, vatex, captioned_media):
        if reader.recognises(folder):
            return reader.read(folder)
    raise UserError(
        f"{folder} is no captioned-media folder: it holds no media/ with captions/<language>.tsv "
        "(columns media_id and caption)."
    )

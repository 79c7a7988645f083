"""Cross-lingual networks that runs share: the first run that needs one trains it, the others take it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from safetensors.torch import load_file, save_file

from cl2cm_plugin.encoder.backbones import made_once

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import nn

    from trainer.launch import Launch

    # What a network consists of, and the file of each.
    Parts = Sequence[tuple[nn.Module, str]]


def trained_once(known: Path, parts: Parts, launch: Launch, train: Callable[[Path], None]) -> None:
    """Train a network, or take it where it is.

    Whoever wants the same network meanwhile waits for it; what a killed run leaves of it, the next one goes on with.

    Args:
        known: The network's folder, named by a hash of all that it depends on.
        parts: What it consists of; holds its weights afterwards, in eval mode.
        launch: The processes of this run, all of which come here.
        train: Trains it; given a folder for its checkpoints.
    """
    with launch.alone(known.with_name(f"{known.name}.lock")):
        if not known.is_dir():
            training = known.with_name(f"{known.name}.training")
            train(training)
            if launch.is_first:
                made_once(known, lambda folder: _save(parts, folder))
                shutil.rmtree(training, ignore_errors=True)
    for part, file in parts:
        part.load_state_dict(load_file(known / file))
        part.eval()


def _save(parts: Parts, folder: Path) -> None:
    for part, file in parts:
        weights = {name: value.contiguous() for name, value in part.state_dict().items()}
        save_file(weights, folder / file)

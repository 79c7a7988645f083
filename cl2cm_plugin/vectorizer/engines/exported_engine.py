"""An exported model: no torch, no transformers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.exported import folder as exported
from cl2cm_plugin.exported import probes
from cl2cm_plugin.exported.towers import ExportedTowers
from cl2cm_plugin.vectorizer.cores import granted
from cl2cm_plugin.vectorizer.engines import checked
from cl2cm_plugin.vectorizer.engines.choice import Wanted, choose, circumstances, trouble
from cl2cm_plugin.vectorizer.engines.choices_file import Choices

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from PIL import Image


class ExportedEngine:
    """Runs an exported model, each tower in the way that is fastest here.

    Args:
        folder: An exported model.
        wanted: What the ways are chosen from.
        remembered: Where choices are remembered; None measures anew.
        threads: Threads that work on one batch; None takes every core that is granted.
        ways: For each tower a way that was chosen elsewhere, taken without measuring where it is possible here.

    Attributes:
        ways: For each tower the way that is taken.

    Raises:
        UserError: The folder is damaged, or no way gives here the vectors that it gave where the model was exported.
    """

    def __init__(
        self,
        folder: Path,
        wanted: Wanted,
        remembered: Path | None = None,
        *,
        threads: int | None = None,
        ways: Mapping[str, str] | None = None,
    ) -> None:
        export, threads = exported.read(folder), threads or granted()
        choices = Choices(remembered, circumstances(export, wanted, threads))
        find = partial(exported.checked, folder, export)
        probe_file = find(probes.FILE_NAME)
        earlier = choices.known()
        for known in [one for one in (ways, earlier) if one] + [{}]:
            taken = choose(find, export, wanted, threads, known)
            self._towers = ExportedTowers(find, export, taken["text"], taken["image"], threads)
            # Also where it was right before: files are the same, but the processor's microcode may not be.
            wrong = [one for tower, way in taken.items() if (one := trouble(self._towers, probe_file, tower, way))]
            if not wrong:
                break
        else:
            raise UserError(f"{folder} cannot be served: {'; '.join(wrong)}; export the model again on this machine.")
        self.ways = {tower: str(way) for tower, way in taken.items()}
        if not ways and self.ways != earlier:
            choices.keep(self.ways)
        self.name = ", ".join(f"{tower} {way}" for tower, way in self.ways.items())

    def prepare_text(self, text: str) -> list[int]:
        """Give a text's token ids: see `Engine.prepare_text`."""
        return self._towers.prepare_text(text)

    def prepare_image(self, image: Image.Image) -> np.ndarray:
        """Give a picture's pixels: see `Engine.prepare_image`."""
        return self._towers.prepare_image(image)

    def encode_texts(self, texts: list[list[int]]) -> np.ndarray:
        """Encode texts: see `Engine.encode_texts`."""
        return checked(self._towers.encode_texts(texts))

    def encode_images(self, images: list[np.ndarray]) -> np.ndarray:
        """Encode pictures: see `Engine.encode_images`."""
        return checked(self._towers.encode_images(images))

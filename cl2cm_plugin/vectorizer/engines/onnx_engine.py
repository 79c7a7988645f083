"""An exported model, run by ONNX Runtime: no torch, no transformers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.exported import folder as exported
from cl2cm_plugin.exported import probes
from cl2cm_plugin.exported.towers import ExportedTowers
from cl2cm_plugin.vectorizer.cores import granted
from cl2cm_plugin.vectorizer.engines import checked

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from PIL import Image

logger = logging.getLogger(__name__)


class OnnxEngine:
    """Runs an exported model in one precision.

    Args:
        folder: An exported model.
        precision: ``fp32``, ``int8``, or ``auto``: 8 bits where they are there and give on this processor what they
            gave where the model was exported, else single precision.

    Raises:
        UserError: The folder is damaged, lacks the precision, or does not give here what it gave there.
    """

    def __init__(self, folder: Path, precision: str = "auto") -> None:
        export = exported.read(folder)
        wanted = [name for name in ("int8", "fp32") if precision in (name, "auto")]
        refused = []
        for name in wanted:
            if name not in export.precisions:
                refused.append(f"{folder} was exported without {name}")
                continue
            towers = ExportedTowers(folder, export, name, granted())
            alike = probes.lowest_cosine(towers, folder, name)
            if alike >= probes.MIN_COSINE:
                self.name = f"onnx-{name}"
                self._towers = towers
                return
            refused.append(f"{name} gives other vectors on this processor than where it was exported ({alike:.3f})")
            logger.warning("%s", refused[-1])
        raise UserError(f"the exported model cannot be served: {'; '.join(refused)}; export it again on this machine.")

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encode texts: see `Engine.encode_texts`."""
        return checked(self._towers.encode_texts([self._towers.prepare_text(text) for text in texts]))

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        """Encode pictures: see `Engine.encode_images`."""
        return checked(self._towers.encode_images([self._towers.prepare_image(image) for image in images]))

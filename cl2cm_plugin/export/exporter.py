"""A trained model to an exported one: both towers in single precision and in 8 bits, measured against the model."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
from sentence_transformers import SentenceTransformer

from cl2cm_plugin.encoder import model_info, two_tower
from cl2cm_plugin.encoder.pictures import open_picture
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.export.eight_bits import Attempt, image_attempts, text_attempts
from cl2cm_plugin.export.graphs import write_image_graph, write_text_graph
from cl2cm_plugin.export.parity import MAX_RECALL_LOSS, recall
from cl2cm_plugin.export.towers import ImageTower, TextTower, preprocessing, without_open_gates
from cl2cm_plugin.exported import folder as exported
from cl2cm_plugin.exported import probes
from cl2cm_plugin.exported.folder import Export
from cl2cm_plugin.exported.towers import ExportedTowers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cl2cm_plugin.export.samples import Samples

_AT_ONCE = 16
_LARGEST_DIFFERENCE = 1e-3


class Exporter:
    """Writes one model into a folder of graphs.

    Args:
        source: A model folder.
        place: Where to write; an existing folder.

    Raises:
        UserError: The model prepares or pools in a way that cannot be exported.
    """

    def __init__(self, source: Path, place: Path) -> None:
        self._place = place
        self._model = SentenceTransformer(str(source), device="cpu", local_files_only=True).eval()
        transformer = two_tower.text_route(self._model)[0]
        tokenizer: Any = transformer.tokenizer
        self._export = Export(
            preprocessing(self._model), int(transformer.max_seq_length or 0), int(tokenizer.pad_token_id)
        )
        tokenizer.backend_tokenizer.save(str(place / exported.TOKENIZER))
        shutil.copy(source / model_info.FILE_NAME, place)

    def single_precision(self) -> None:
        """Write both towers in single precision and make sure that they give the model's vectors.

        Raises:
            UserError: They do not.
        """
        write_text_graph(TextTower(self._model), self._graph("text", "fp32"))
        image = ImageTower(self._model)
        texts = self._model.encode([{"text": text} for text in probes.TEXTS], normalize_embeddings=True)
        pictures = self._model.encode([{"image": one} for one in probes.pictures()], normalize_embeddings=True)
        without_open_gates(image)
        write_image_graph(image, self._export.preprocessing.pixels, self._graph("image", "fp32"))
        difference = float(np.abs(np.concatenate([texts, pictures]) - probes.vectors(self._towers("fp32"))).max())
        self._export.parity["fp32"] = {"largest_difference": difference}
        if difference > _LARGEST_DIFFERENCE:
            raise UserError(
                f"The exported graphs give other vectors than the model (they differ by {difference:.4f}): its "
                "backbones do something that ONNX does not."
            )

    def eight_bits(self, samples: Samples) -> None:
        """Write both towers in 8 bits, if that keeps their vectors and what is found.

        Args:
            samples: What ranges are taken from, and what is compared.

        Raises:
            UserError: No way of doing it keeps them; the message has the figures.
        """
        exact = self._towers("fp32")
        rows = [exact.prepare_text(caption) for caption in samples.captions]
        gallery, calibration = self._pixels(samples.gallery), self._pixels(samples.calibration)
        texts, images = _texts(exact, rows), _images(exact, gallery)
        of_text = text_attempts(
            self._graph("text", "fp32"),
            self._graph("text", "int8"),
            lambda: _texts(self._towers("int8"), rows),
            texts,
        )[-1]
        of_image = image_attempts(
            self._graph("image", "fp32"),
            self._graph("image", "int8"),
            calibration,
            lambda: _images(self._towers("int8"), gallery),
            images,
        )[-1]
        before = recall(images, texts, samples.picture_of_caption)
        after = recall(of_image.vectors, of_text.vectors, samples.picture_of_caption)
        self._export.parity["int8"] = {
            "text": of_text.figures(),
            "image": of_image.figures(),
            "recall_at_10": {"before": before, "after": after},
        }
        problems = [_problem("text", of_text), _problem("image", of_image)]
        if before - after > MAX_RECALL_LOSS:
            problems.append(f"R@10 falls from {before:.1f} to {after:.1f}")
        if any(problems):
            raise UserError(f"8 bits cost too much here: {'; '.join(filter(None, problems))}.")

    def finish(self) -> Export:
        """Write down what is there."""
        precisions = [name for name in exported.PRECISIONS if self._graph("image", name).is_file()]
        probes.write(self._place, {name: probes.vectors(self._towers(name)) for name in precisions})
        files = sorted(path for path in self._place.iterdir() if path.name != model_info.FILE_NAME)
        self._export.files.update({path.name: exported.sha256(path) for path in files})
        exported.write(self._place, self._export)
        return self._export

    def without_eight_bits(self) -> None:
        """Take back what `eight_bits` wrote."""
        for tower in ("text", "image"):
            self._graph(tower, "int8").unlink(missing_ok=True)

    def _graph(self, tower: str, precision: str) -> Path:
        return self._place / exported.graph(tower, precision)

    def _towers(self, precision: str) -> ExportedTowers:
        return ExportedTowers(self._place, self._export, precision)

    def _pixels(self, files: Sequence[Path]) -> np.ndarray:
        return np.stack([self._export.preprocessing(open_picture(file)) for file in files])


def _texts(towers: ExportedTowers, rows: list[list[int]]) -> np.ndarray:
    """Encode prepared texts, those of like length together: unit vectors in their order, shape (n, d)."""
    order = np.argsort([len(row) for row in rows])
    found = np.concatenate([towers.encode_texts([rows[place] for place in part]) for part in _parts(order)])
    return found[np.argsort(order)]


def _images(towers: ExportedTowers, pixels: np.ndarray) -> np.ndarray:
    """Encode prepared pictures: unit vectors, shape (n, d)."""
    return np.concatenate([towers.encode_images(list(part)) for part in _parts(pixels)])


def _parts(rows: np.ndarray) -> list[Any]:
    return [rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE)]


def _problem(tower: str, attempt: Attempt) -> str | None:
    found = attempt.cosines
    if found.suffices:
        return None
    return f"the {tower} tower keeps a cosine of {found.mean:.3f} (1st percentile {found.first_percentile:.3f})"

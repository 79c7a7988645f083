"""A trained model to an exported one: both towers in single precision and in 8 bits, measured against the model."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
from sentence_transformers import SentenceTransformer

from cl2cm_plugin.encoder import model_info, two_tower
from cl2cm_plugin.encoder.pictures import open_picture
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.export.eight_bits import image_attempts, text_attempts
from cl2cm_plugin.export.graphs import write_image_graph, write_text_graph
from cl2cm_plugin.export.parity import MAX_RECALL_LOSS, recall
from cl2cm_plugin.export.towers import ImageTower, TextTower, preprocessing, without_open_gates
from cl2cm_plugin.exported import folder as exported
from cl2cm_plugin.exported import probes
from cl2cm_plugin.exported.folder import TOWERS, Export
from cl2cm_plugin.exported.runtimes import Way
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
        here = self._towers("fp32")
        exact = np.concatenate([probes.vectors(here, tower) for tower in TOWERS])
        difference = float(np.abs(np.concatenate([texts, pictures]) - exact).max())
        self._export.parity["fp32"] = {"largest_difference": difference}
        if difference > _LARGEST_DIFFERENCE:
            raise UserError(
                f"The exported graphs give other vectors than the model (they differ by {difference:.4f}): its "
                "backbones do something that ONNX does not."
            )

    def eight_bits(self, samples: Samples) -> list[str]:
        """Write the towers in 8 bits, each if that keeps its vectors and what is found.

        Args:
            samples: What ranges are taken from, and what is compared.

        Returns:
            What was left out and why, a sentence each.
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
        left_out = []
        vectors = {"text": texts, "image": images}
        for tower, attempt in {"text": of_text, "image": of_image}.items():
            if attempt.cosines.suffices:
                vectors[tower] = attempt.vectors
            else:
                left_out.append(f"The {tower} tower has no 8 bits: they leave it {attempt.cosines}.")
                self._graph(tower, "int8").unlink()
        before = recall(images, texts, samples.picture_of_caption)
        after = recall(vectors["image"], vectors["text"], samples.picture_of_caption)
        self._export.parity["int8"] = {
            "text": of_text.figures(),
            "image": of_image.figures(),
            "recall_at_10": {"before": before, "after": after},
        }
        if before - after > MAX_RECALL_LOSS:
            left_out.append(f"Neither tower has 8 bits: R@10 falls from {before:.1f} to {after:.1f} with them.")
            for tower in TOWERS:
                self._graph(tower, "int8").unlink(missing_ok=True)
        return left_out

    def finish(self) -> Export:
        """Write down what is there."""
        graphs = [(tower, name) for tower in TOWERS for name in exported.PRECISIONS]
        there = [(tower, name) for tower, name in graphs if self._graph(tower, name).is_file()]
        of_graphs = {exported.graph(tower, name): probes.vectors(self._towers(name), tower) for tower, name in there}
        probes.write(self._place, of_graphs)
        files = sorted(path for path in self._place.iterdir() if path.name != model_info.FILE_NAME)
        self._export.files.update({path.name: exported.sha256(path) for path in files})
        exported.write(self._place, self._export)
        return self._export

    def _graph(self, tower: str, precision: str) -> Path:
        return self._place / exported.graph(tower, precision)

    def _towers(self, precision: str) -> ExportedTowers:
        way = Way(precision=precision)
        return ExportedTowers(self._place.joinpath, self._export, way, way)

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

"""What a model folder says of itself: name, fingerprint, size, languages (``cl2cm.json`` beside the weights)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "cl2cm.json"
FINGERPRINT_LENGTH = 16
# These may be edited without changing a single vector.
_NOT_FINGERPRINTED = {FILE_NAME, "README.md", ".gitattributes"}
# The modules of the image route, as sentence-transformers' Router names their folders.
_IMAGE_MODULES = "image_"


@dataclass(frozen=True)
class ModelInfo:
    """Identity and facts of one model.

    Attributes:
        name: The bare name, for example ``cl2cm-de``.
        fingerprint: First 16 hexadecimal digits of a SHA-256 over every file that can change a vector. Two models with
            the same fingerprint give the same vectors.
        dimensions: Length of a vector.
        languages: ISO 639-1 codes of the languages that the model was trained on, the source language first.
        licence: SPDX identifier or a short sentence.
        max_tokens: Texts are cut after this many tokens.
        image_size: Width and height, in pixels, that pictures are scaled to.
        trained_on: One line that names the training data.
        text_backbone: Name of the text backbone that the text tower came from; empty in older models.
        vocabulary: The rule by which the backbone's pieces were cut: ``scripts``, ``corpus`` or ``all``; empty in
            older models.
        image_fingerprint: As ``fingerprint``, over the image tower and its projection alone; empty in older models.
        extends: Identities of the models whose vectors of pictures this model keeps to the bit, since it was made from
            them by adding languages to their text tower.
    """

    name: str
    fingerprint: str
    dimensions: int
    languages: list[str] = field(default_factory=list)
    licence: str = ""
    max_tokens: int | None = None
    image_size: int | None = None
    trained_on: str = ""
    text_backbone: str = ""
    vocabulary: str = ""
    image_fingerprint: str = ""
    extends: list[str] = field(default_factory=list)

    @property
    def identity(self) -> str:
        """``name@fingerprint``: what a collection keeps of the model that made its vectors."""
        return f"{self.name}@{self.fingerprint}"

    @property
    def identities(self) -> list[str]:
        """Every model whose pictures' vectors this model's can be compared with: itself, then those it extends."""
        return [self.identity, *self.extends]


def fingerprint(folder: Path) -> str:
    """Hash every file of a model folder that can change a vector.

    Args:
        folder: A model folder.

    Returns:
        The first 16 hexadecimal digits of the SHA-256 over relative paths and contents, in sorted order.
    """
    return _hash(folder, sorted(path for path in folder.rglob("*") if path.is_file()))


def image_fingerprint(folder: Path) -> str:
    """Hash the image tower of a model folder and its projection: all that a picture's vector depends on.

    Args:
        folder: A model folder of two towers.

    Returns:
        16 hexadecimal digits as `fingerprint` gives them; empty where the folder has no image tower.
    """
    modules = sorted(path for path in folder.glob(f"{_IMAGE_MODULES}*") if path.is_dir())
    files = [path for module in modules for path in sorted(module.rglob("*")) if path.is_file()]
    return _hash(folder, files) if files else ""


def with_fingerprints(info: ModelInfo, folder: Path) -> ModelInfo:
    """Say what a folder's files are now, whatever was said of them before.

    Args:
        info: Facts of the model.
        folder: Its folder.

    Returns:
        The facts with both fingerprints. Where the image tower is not the one that the facts speak of, the model no
        longer extends another.
    """
    image = image_fingerprint(folder)
    extends = info.extends if image == info.image_fingerprint else []
    return replace(info, fingerprint=fingerprint(folder), image_fingerprint=image, extends=extends)


def _hash(folder: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        relative = file.relative_to(folder).as_posix()
        if relative in _NOT_FINGERPRINTED:
            continue
        digest.update(relative.encode() + b"\0")
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:FINGERPRINT_LENGTH]


def write(folder: Path, info: ModelInfo) -> None:
    """Write ``cl2cm.json`` into a model folder."""
    text = json.dumps(asdict(info), indent=2, ensure_ascii=False)
    (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> ModelInfo:
    """Read what a model folder says of itself.

    Args:
        folder: A model folder with ``cl2cm.json``.

    Returns:
        The facts; unknown keys of a newer version are left out.

    Raises:
        UserError: There is no ``cl2cm.json``, or it cannot be understood.
    """
    file = folder / FILE_NAME
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} is no cl2cm model: it has no {FILE_NAME}. `cl2cm train` writes one.") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{file} is damaged ({error}); install or train the model again.") from None
    known = {key: value for key, value in values.items() if key in {f.name for f in fields(ModelInfo)}}
    try:
        return ModelInfo(**known)
    except TypeError:
        raise UserError(f"{file} lacks name, fingerprint or dimensions; install or train the model again.") from None

"""The folder that ``cl2cm export`` writes, and how it is checked before anything in it is run.

cl2cm.json         what the model says of itself, as in the model that was exported
export.json        preprocessing, files with their hashes, and what the export cost in quality
probes.npz         what the probes' vectors are where the model was exported
tokenizer.json
text.fp32.onnx     image.fp32.onnx     ids and mask, or pixels, to unit vectors
text.int8.onnx     image.int8.onnx     the same in 8 bits, those of them that passed
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.exported.preprocessing import Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "export.json"
TOKENIZER = "tokenizer.json"
TOWERS = ("text", "image")
PRECISIONS = ("fp32", "int8")
SENTENCE = "sentence_embedding"
"""Name of every graph's one output: float32 of shape (n, dimensions)."""


@dataclass(frozen=True)
class Export:
    """What ``export.json`` says.

    Attributes:
        preprocessing: How pictures become pixels.
        max_tokens: Texts are cut after this many tokens.
        padding: Token id that fills the rows of shorter texts.
        files: SHA-256 of every other file of the export, by name.
        parity: For each precision how close it came to the torch model, as the report has it.
    """

    preprocessing: Preprocessing
    max_tokens: int
    padding: int
    files: dict[str, str] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)

    def precisions(self, tower: str) -> list[str]:
        """List the precisions that a tower (``text`` or ``image``) comes in."""
        return [name for name in PRECISIONS if graph(tower, name) in self.files]


def graph(tower: str, precision: str) -> str:
    """Name the file of a tower (``text`` or ``image``) in a precision (``fp32`` or ``int8``)."""
    return f"{tower}.{precision}.onnx"


def is_exported(folder: Path) -> bool:
    """Whether a folder is an exported model."""
    return (folder / FILE_NAME).is_file()


def write(folder: Path, export: Export) -> None:
    """Write ``export.json``."""
    text = json.dumps(asdict(export), indent=2, ensure_ascii=False)
    (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> Export:
    """Read ``export.json``; what it names is checked by `checked` when it is opened.

    Raises:
        UserError: The folder is no exported model.
    """
    file = folder / FILE_NAME
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        values["preprocessing"] = Preprocessing(**values["preprocessing"])
        export = Export(**{one.name: values[one.name] for one in fields(Export)})
    except FileNotFoundError:
        raise UserError(f"{folder} is no exported model: it has no {FILE_NAME}. `cl2cm export` writes one.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged ({error}); export the model again.") from None
    return export


def checked(folder: Path, export: Export, name: str) -> Path:
    """Make sure that a file of an export is what it was.

    Args:
        folder: An exported model.
        export: What `read` gave for it.
        name: The file's name.

    Returns:
        Its path.

    Raises:
        UserError: It is missing, damaged or not the one that was exported.
    """
    path = folder / name
    if not path.is_file() or sha256(path) != export.files.get(name):
        raise UserError(f"{path} is missing or not what was exported; export the model again.")
    return path


def sha256(file: Path) -> str:
    """Hash a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

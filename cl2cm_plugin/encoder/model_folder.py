"""What a model folder must be to be installed: stock modules, no pickles, a length of vectors that its files tell."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.encoder import model_info
from cl2cm_plugin.encoder.model_info import ModelInfo
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULES = "modules.json"
_ROUTER = "router_config.json"
_STOCK = "sentence_transformers."
_PICKLED = {".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"}


def files(folder: Path) -> Iterator[Path]:
    """List the files of a model folder in a fixed order, hidden ones left out."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        for name in folders:
            if (Path(root) / name).is_symlink():
                raise UserError(f"{Path(root) / name} is a link to a folder; put the folder itself there.")
        yield from (Path(root) / name for name in sorted(files) if not name.startswith("."))


def copy(folder: Path, target: Path) -> None:
    """Copy a model folder, hidden files left out."""
    for file in files(folder):
        copy = target / file.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        # The content alone: a private file mode must not lock a server's user out of a shared store.
        shutil.copyfile(file, copy)


def content_hash(folder: Path) -> str:
    """Hash every file of a model folder: 40 hexadecimal digits, as the hub's revisions have."""
    digest = hashlib.sha256()
    for file in files(folder):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:40]


def check(folder: Path) -> None:
    """Make sure that a folder holds a model that can be installed.

    Raises:
        UserError: It is no sentence-transformers model, needs code of its own, or holds pickled weights or none.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder.absolute()}; give the model folder that `cl2cm train` wrote.")
    if not (folder / MODULES).is_file():
        raise UserError(f"{folder} holds no sentence-transformers model: it has no {MODULES}.")
    found = list(files(folder))
    _check_module_types([file for file in found if file.name in {MODULES, _ROUTER}])
    for file in found:
        # OpenVINO's weights are plain numbers beside a graph of the same name.
        if file.suffix in _PICKLED and not file.with_suffix(".xml").is_file():
            raise UserError(
                f"{file} may be a pickle, which can run code when it is read; save the model with "
                "`model.save_pretrained(folder)`, which writes safetensors, or delete it if the model needs none."
            )
    if not any(file.suffix == ".safetensors" for file in found):
        raise UserError(f"{folder} holds no weights: there is no *.safetensors file in it.")


def _check_module_types(files: list[Path]) -> None:
    for file in files:
        content = _read_json(file)
        try:
            types = list(content["types"].values()) if file.name == _ROUTER else [entry["type"] for entry in content]
        except (AttributeError, KeyError, TypeError):
            raise UserError(f"{file} does not list a model's modules; save or train the model again.") from None
        for module_type in types:
            if not str(module_type).startswith(_STOCK):
                raise UserError(
                    f"{file} names the module {module_type!r}, which would need trust_remote_code=True; only models "
                    "made of sentence-transformers' own modules can be installed."
                )


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read ({error}); save or train the model again.") from None


def installed_info(folder: Path, name: str) -> ModelInfo:
    """Say what an installed copy is: its own ``cl2cm.json`` under the new name, else what its files tell."""
    if (folder / model_info.FILE_NAME).is_file():
        # Taken anew: what counts is the content that was copied, not what a file said of it.
        return model_info.with_fingerprints(replace(model_info.read(folder), name=name), folder)
    try:
        modules = [(entry["type"], folder / entry["path"]) for entry in _read_json(folder / MODULES)]
        dimensions = _dimensions(modules)
        truncation = folder / "config_sentence_transformers.json"
        if truncation.is_file() and (kept := _read_json(truncation).get("truncate_dim")):
            dimensions = min(dimensions, kept)
    except (AttributeError, IndexError, KeyError, TypeError):
        raise UserError(
            f"The length of the model's vectors cannot be told from its files; put a {model_info.FILE_NAME} with "
            "name, fingerprint and dimensions beside them."
        ) from None
    return model_info.with_fingerprints(ModelInfo(name=name, fingerprint="", dimensions=dimensions), folder)


def _dimensions(modules: list[tuple[str, Path]]) -> int:
    for module_type, folder in reversed(modules):
        kind = module_type.rpartition(".")[2]
        if kind == "Dense":
            return int(_read_json(folder / "config.json")["out_features"])
        if kind == "Pooling":
            config = _read_json(folder / "config.json")
            # Several ways of pooling are concatenated; before 6.0 each was a flag of its own.
            flags = sum(bool(active) for key, active in config.items() if key.startswith("pooling_mode_"))
            mode = config.get("pooling_mode", "mean")
            ways = flags or (1 if isinstance(mode, str) else len(mode))
            return int(config.get("embedding_dimension") or config["word_embedding_dimension"]) * ways
        if kind == "Router":
            config = _read_json(folder / _ROUTER)
            route = config["parameters"].get("default_route") or next(iter(config["structure"]))
            return _dimensions([(config["types"][key], folder / key) for key in config["structure"][route]])
    raise KeyError("no module that sets the width")

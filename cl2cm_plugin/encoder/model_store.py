"""Installed models: where they lie, and how they get there.

The store is the Hugging Face cache itself, in its own layout::

    <hub cache>/models--sentence-transformers--<name>/refs/main             the revision in use
    <hub cache>/models--sentence-transformers--<name>/snapshots/<revision>  the model folder

So ``SentenceTransformer("cl2cm-de")`` finds an installed model with ``HF_HUB_OFFLINE=1`` or ``local_files_only=True``
even where this package is never imported. The revision is a hash of the content. ``cl2cm.json`` tells an installed
model from an ordinary download, which is never listed, replaced or removed here.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
import shutil
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.encoder import model_folder, model_info
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cl2cm_plugin.encoder.model_info import ModelInfo

logger = logging.getLogger(__name__)

_PREFIX = "models--sentence-transformers--"
# What the hub accepts after "sentence-transformers/": other names would not resolve on the offline routes.
_NAME = re.compile(r"(?!.*(?:--|\.\.))(?!.*\.git$)[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,72}[A-Za-z0-9_])?")
_REVISION = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class InstalledModel:
    """One installed model.

    Attributes:
        name: The name that it was installed under.
        path: Its folder, ready for ``SentenceTransformer(str(path))``.
        info: What it says of itself.
        size: Size on disk, in bytes.
    """

    name: str
    path: Path
    info: ModelInfo
    size: int


def store_folder() -> Path:
    """Where models are installed: the folder in which sentence-transformers looks for cached models.

    Returns:
        ``$SENTENCE_TRANSFORMERS_HOME`` where it is set, else the hub cache of huggingface_hub (``HF_HUB_CACHE``,
        ``HF_HOME``). The latter are read when huggingface_hub is first imported, as for every download.
    """
    if home := os.environ.get("SENTENCE_TRANSFORMERS_HOME"):
        return Path(home).absolute()
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).absolute()


def install(folder: Path, name: str) -> Path:
    """Copy a model folder into the store, under a name.

    The files are copied, so that a later training cannot change an installed model. Until the copy is complete an
    earlier model of that name stays in use; afterwards it is removed. Installing the same content again changes
    nothing.

    Args:
        folder: A model folder made of stock sentence-transformers modules, with safetensors weights. Hidden files are
            left out. Without ``cl2cm.json`` its fingerprint and dimensions are worked out.
        name: Letters, digits, ``.``, ``_`` and ``-``.

    Returns:
        The installed folder.

    Raises:
        UserError: The name is not valid or belongs to a download, the folder holds no such model, or the store cannot
            be written.
    """
    check_name(name)
    model_folder.check(folder)
    with _locked(name):
        return _install(folder, name)


def check_name(name: str) -> None:
    """Make sure that a model can be installed under a name.

    Raises:
        UserError: The hub would not accept it.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} cannot be a model's name: use letters, digits, single '.', '_' and '-', at most 74 characters, "
            "a letter or digit at both ends."
        )


def installed() -> list[InstalledModel]:
    """List the installed models, by name. One whose ``cl2cm.json`` is damaged is left out, with a warning."""
    models = []
    for name, folder in _names().items():
        try:
            info = model_info.read(folder)
        except UserError as error:
            logger.warning("%s", error)
            continue
        models.append(InstalledModel(name=name, path=folder, info=info, size=size(folder)))
    return models


def size(folder: Path) -> int:
    """Return the size of a model folder on disk, in bytes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def find(name: str) -> Path | None:
    """Return the folder of an installed model, or ``None`` where no model of that name is installed."""
    if not _NAME.fullmatch(name):
        return None
    repository = _repository(name)
    try:
        revision = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    snapshot = repository / "snapshots" / revision
    complete = (snapshot / model_info.FILE_NAME).is_file() and (snapshot / model_folder.MODULES).is_file()
    return snapshot if _REVISION.fullmatch(revision) and complete else None


def path(name: str) -> Path:
    """Return the folder of an installed model.

    Args:
        name: The name that it was installed under.

    Returns:
        Its folder, ready for ``SentenceTransformer(str(path))``.

    Raises:
        UserError: No model of that name is installed.
    """
    if folder := find(name):
        return folder
    raise UserError(f"No model named {name!r} is installed. {_advice(name)}")


def resolve(name_or_folder: str) -> Path:
    """Return the model folder that a user means, in the order of sentence-transformers: a folder, else a name.

    Args:
        name_or_folder: A model folder, or the name of an installed model.

    Returns:
        The model folder.

    Raises:
        UserError: It is neither.
    """
    folder = Path(name_or_folder)
    if (folder / model_folder.MODULES).is_file():
        return folder
    if found := find(name_or_folder):
        return found
    there = "is a folder without modules.json" if folder.is_dir() else "is no folder"
    raise UserError(
        f"No model named {name_or_folder!r} is installed, and {folder.absolute()} {there}. {_advice(name_or_folder)}"
    )


def remove(name: str) -> None:
    """Remove an installed model.

    Args:
        name: The name that it was installed under.

    Raises:
        UserError: No model of that name is installed, or it is a download that this package did not install.
    """
    path(name)
    with _locked(name):
        repository = _writable_repository(name)
        # First the pointer: nobody may find a model that is half removed.
        (repository / "refs" / "main").unlink(missing_ok=True)
        shutil.rmtree(repository)


def _install(folder: Path, name: str) -> Path:
    repository = _writable_repository(name)
    snapshots = repository / "snapshots"
    snapshots.mkdir(parents=True, exist_ok=True)
    incoming = snapshots / f"incoming-{uuid.uuid4().hex}"
    try:
        model_folder.copy(folder, incoming)
        model_info.write(incoming, model_folder.installed_info(incoming, name))
        revision = model_folder.content_hash(incoming)
        snapshot = snapshots / revision
        if not snapshot.is_dir() or model_folder.content_hash(snapshot) != revision:
            _delete(snapshot)
            incoming.rename(snapshot)
        _set_revision(repository, revision)
    finally:
        _delete(incoming)
    # Nobody else installs under this name now: what an interrupted installation left behind goes as well.
    for earlier in snapshots.iterdir():
        if earlier.name != revision:
            _delete(earlier)
    return snapshot


def _repository(name: str) -> Path:
    return store_folder() / f"{_PREFIX}{name}"


def _names() -> dict[str, Path]:
    candidates = (folder.name.removeprefix(_PREFIX) for folder in store_folder().glob(f"{_PREFIX}*"))
    return {name: folder for name in sorted(candidates) if (folder := find(name))}


def _advice(wanted: str) -> str:
    names = list(_names())
    close = difflib.get_close_matches(wanted, names, n=len(names) or 1, cutoff=0.0)
    listed = f"Installed in {store_folder()}: {', '.join(close)}." if names else f"{store_folder()} holds none yet."
    return f"{listed} `cl2cm train` trains a model; `cl2cm install FOLDER --name NAME` installs a trained one."


@contextmanager
def _locked(name: str) -> Iterator[None]:
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # its type stub leaves it out

    locks = store_folder() / ".locks" / f"{_PREFIX}{name}"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(locks / "cl2cm.lock"):
            yield
    except OSError as error:
        raise UserError(f"The models in {store_folder()} could not be changed: {error}.") from error


def _writable_repository(name: str) -> Path:
    repository = _repository(name)
    if repository.is_symlink() or (repository / "snapshots").is_symlink():
        raise UserError(f"{repository} is a link to somewhere else; remove the link, or choose another name.")
    downloaded = (repository / "refs" / "main").exists() and find(name) is None
    if downloaded or (repository / "blobs").exists():
        raise UserError(
            f"{repository} holds a model that was downloaded from the hub, not installed; choose another name, "
            f"or remove the download with `hf cache rm model/sentence-transformers/{name}`."
        )
    return repository


def _set_revision(repository: Path, revision: str) -> None:
    refs = repository / "refs"
    refs.mkdir(exist_ok=True)
    # Written beside and renamed: a reader sees the earlier revision or the new one, never half a line.
    unfinished = refs / f"incoming-{uuid.uuid4().hex}"
    unfinished.write_text(revision, encoding="utf-8")
    unfinished.replace(refs / "main")


def _delete(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)

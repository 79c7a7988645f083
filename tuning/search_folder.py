"""The folder of a search: which space, data and resources it began with, and who is at work in it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from pydantic import ValidationError

from cl2cm_plugin.errors import UserError
from tuning.space import Space
from tuning.space_check import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuning.trial import Study

_SEARCH, _LOCK = "search.json", ".lock"


def is_begun(storage: Path) -> bool:
    """Whether a folder holds a search."""
    return (storage / _SEARCH).is_file()


@contextmanager
def alone(storage: Path) -> Iterator[None]:
    """Keep other commands out of a search's folder; a killed one gives it back.

    Raises:
        UserError: Another one is at work.
    """
    try:
        with FileLock(storage / _LOCK, timeout=0):
            yield
    except Timeout:
        raise UserError(f"Another command is at work on the search in {storage}: wait until it has ended.") from None


def begin(study: Study) -> None:
    """Note what a search is of; where one is begun, how many trials it is to have, and where its data lie by now."""
    if is_begun(study.storage):
        known = read(study.storage)
        # What its trials took at first is still what others will take, if they are not told otherwise.
        study = replace(known, space=study.space, data=study.data)
        if study == known:
            return
    study.storage.mkdir(parents=True, exist_ok=True)
    space = json.loads(study.space.model_dump_json(by_alias=True))
    facts = {"space": space, "data": study.data, "resources": asdict(study.resources)}
    file = study.storage / _SEARCH
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    temporary.replace(file)


def check_is_own(study: Study, *, resume: bool) -> None:
    """Make sure that a folder is free for a search, or holds this one and is to be gone on with.

    Args:
        study: The search; the resources that it takes may differ from those that it began with, it may have more
            trials, and its data may lie elsewhere if they are gone from where they were.
        resume: Whether to go on with what is there.

    Raises:
        UserError: The folder holds a search, and not this one, or it was not asked to go on with.
    """
    if not is_begun(study.storage):
        return
    if not resume:
        raise UserError(
            f"{study.storage} holds a search already: go on with it by --resume, or name another --storage."
        )
    known = read(study.storage)
    if study.space.trials < known.space.trials:
        raise UserError(
            f"The search in {study.storage} has {known.space.trials} trials by now, and may only have more, not "
            f"{study.space.trials}: go on with it by --resume without a space, or raise --trials."
        )
    longer = known.space.model_copy(update={"trials": study.space.trials})
    differ = [name for name in Space.model_fields if getattr(longer, name) != getattr(study.space, name)]
    if known.data != study.data and not is_gone(known.data):
        differ.append(f"data (there {known.data})")
    if differ:
        raise UserError(
            f"{study.storage} holds a search that differs in {', '.join(differ)}: name another --storage, or go on "
            "with that one by --resume without a space."
        )


def read(storage: Path) -> Study:
    """Read which space, data and resources a folder's search began with.

    Raises:
        UserError: There is no search in the folder, or what is there cannot be read.
    """
    from tuning.trial import Resources, Study

    file = storage / _SEARCH
    if not is_begun(storage):
        raise UserError(f"There is no search in {storage}: --storage names the folder of a `cl2cm tune`.")
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        space, data = Space.model_validate(facts["space"]), from_everywhere(facts["data"])
        return Study(space, data, storage, Resources(**facts.get("resources", {})))
    except ValidationError as error:
        raise UserError(f"The search in {storage} is of another version: {sentences(error)}.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged ({type(error).__name__}): name another --storage.") from None


def from_everywhere(data: str) -> str:
    """Write a folder of data so that workers, which run in folders of their own, find it; a word stays as it is."""
    return str(Path(data).absolute()) if Path(data).exists() else data


def is_gone(data: str) -> bool:
    """Whether data are in a folder that is not, or is not seen from here; a word for data never is."""
    return Path(data).is_absolute() and not Path(data).exists()

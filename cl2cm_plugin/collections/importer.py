"""Import a folder of pictures into a collection, and go on where an earlier import stopped."""

from __future__ import annotations

import base64
import hashlib
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from weaviate.exceptions import WeaviateBaseError

from cl2cm_plugin.collections.failures import short
from cl2cm_plugin.collections.folder import Medium, object_id, read_folder
from cl2cm_plugin.collections.given_vectors import GivenVectors
from cl2cm_plugin.collections.mending import mend
from cl2cm_plugin.collections.pictures import MAX_SIDE, UnreadablePicture, prepare
from cl2cm_plugin.collections.report import ImportReport
from cl2cm_plugin.collections.schema import CollectionFacts, collection_facts
from cl2cm_plugin.collections.sender import Item, Sender
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weaviate.collections import Collection

# The server takes 100 MB a message, and base64 adds a third.
MAX_BYTES_AT_ONCE = 32_000_000


def import_folder(
    collection: Collection,
    folder: Path | str | None,
    *,
    captions_language: str | None = None,
    vectors: Path | str | None = None,
    batch_size: int = 50,
    max_side: int = MAX_SIDE,
    wait_seconds: float = 60.0,
    progress: bool = True,
) -> ImportReport:
    """Import the pictures of a folder, and their captions where there are any.

    A captioned-media folder has pictures in ``media/`` and tables in ``captions/<language>.tsv``; any other folder is
    searched for pictures with its subfolders. A picture that the collection already holds, with the same caption, is
    skipped, so an import that stopped goes on where it was; a changed one is replaced; one that cannot be opened, or
    that the vectorizer refuses, fails alone. Objects of files that are gone stay. What a server that was killed has
    stored, but no search finds, is inserted anew in the end.

    Args:
        collection: A collection that :func:`~cl2cm_plugin.collections.schema.create` made.
        folder: The folder. Paths inside it identify the pictures, so two folders with the same paths overwrite each
            other. None makes an object of each row of ``vectors``, without its picture.
        captions_language: Which captions to import; by default those in the collection's caption language.
        vectors: A file of vectors that ``cl2cm embed`` wrote. The vectorizer makes those of other pictures, and of
            those that have changed since.
        batch_size: Objects in one request.
        max_side: Pictures with a longer side, in pixels, are scaled down before they travel.
        wait_seconds: How long to wait for a vectorizer or a server that is away.
        progress: Show a progress bar on standard error.

    Returns:
        What was imported, skipped and left out.

    Raises:
        ModelMismatch: The vectorizer serves another model than the one that made the collection, or the vectors are
            another's.
        UserError: The folder is not there, holds no picture or lacks the captions; none of them has a vector in the
            file; the vectorizer or the server stayed away (the message says how many pictures were imported; importing
            again goes on from there).
    """
    start = time.monotonic()
    facts = collection_facts(collection)
    given = None if vectors is None else GivenVectors(Path(vectors).expanduser(), collection.name, facts)
    candidates = _media(folder, captions_language, facts, given)
    report = ImportReport()
    with _progress_bar(disable=not progress) as bar:
        sender = Sender(
            collection, facts.address, batch_size=batch_size, wait_seconds=wait_seconds, notify=bar.console.print
        )
        task = bar.add_task("importing", total=len(candidates))
        done = 0
        # Two requests are under way at a time.
        for group in _groups(candidates, 2 * batch_size, given):
            for items in _portions(_changed(collection, group, report), report, max_side):
                report.failed += sender.send(items)
                report.imported = sender.imported
                report.without_vector += [item.file for item in items if given is not None and not item.vectors]
                bar.update(task, completed=report.imported + report.unchanged + len(report.failed))
            done += len(group)
            bar.update(task, completed=done)
        bar.add_task("checking", total=None)
        _mend(collection, candidates, facts.vectors, sender, report, max_side, given)
    report.seconds = time.monotonic() - start
    return report


def _media(
    folder: Path | str | None, language: str | None, facts: CollectionFacts, given: GivenVectors | None
) -> list[Medium]:
    if folder is not None:
        folder = Path(folder).expanduser()
        if (folder / "captions").is_dir():
            language = _language(language, facts)
        return read_folder(folder, language, facts.caption_language)
    if given is None:
        raise UserError("There is nothing to import: name a folder of pictures, or a file of vectors.")
    if facts.store_media:
        raise UserError("The collection keeps its pictures, and a file of vectors has none: name their folder too.")
    return given.media()


def _groups(media: list[Medium], size: int, given: GivenVectors | None) -> Iterator[list[Medium]]:
    if given is not None:
        return given.groups(media, size)
    return (media[begin : begin + size] for begin in range(0, len(media), size))


def _language(language: str | None, facts: CollectionFacts) -> str:
    if language not in {None, facts.caption_language}:
        raise UserError(
            f"The collection was made for captions in {facts.caption_language!r}, not in {language!r}: import those, "
            "or make another collection."
        )
    return facts.caption_language


def _changed(collection: Collection, group: list[Medium], report: ImportReport) -> Iterator[tuple[Medium, str | None]]:
    """Give those that the collection does not hold as they are, each with the hash of its file."""
    known = _known(collection, group, report)
    for candidate, media_hash in _hashed(group, report):
        if known.get(candidate.id) == (media_hash, candidate.caption):
            report.unchanged += 1
        else:
            yield candidate, media_hash


def _hashed(candidates: list[Medium], report: ImportReport) -> Iterator[tuple[Medium, str | None]]:
    for candidate in candidates:
        try:
            if candidate.path is None:
                yield candidate, candidate.vectors_of
                continue
            with candidate.path.open("rb") as stream:
                yield candidate, hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            report.failed.append((candidate.file, f"the file cannot be read: {error.strerror}"))


def _known(collection: Collection, group: list[Medium], report: ImportReport) -> dict[UUID, tuple[Any, Any]]:
    with _server_answers(report):
        found = collection.query.fetch_objects_by_ids(
            [candidate.id for candidate in group],
            limit=len(group),
            return_properties=["media_hash", "caption"],
        )
    return {
        UUID(str(entry.uuid)): (entry.properties.get("media_hash"), entry.properties.get("caption"))
        for entry in found.objects
    }


def _mend(
    collection: Collection,
    candidates: list[Medium],
    vectors: list[str],
    sender: Sender,
    report: ImportReport,
    max_side: int,
    given: GivenVectors | None,
) -> None:
    """Insert anew what is stored but not found."""
    arrived: set[UUID] = set()

    def send_anew(ids: set[UUID]) -> set[UUID]:
        before = len(report.failed)
        lost = [candidate for candidate in candidates if candidate.id in ids]
        if given is not None:
            lost = given.attached(lost)
        for items in _portions(_hashed(lost, report), report, max_side):
            report.failed += sender.send(items, anew=True)
        arriving = ids - {object_id(file) for file, _ in report.failed[before:]}
        arrived.update(arriving)
        return arriving

    failed = {file for file, _ in report.failed}
    expected = [candidate.id for candidate in candidates if candidate.file not in failed]
    with _server_answers(report):
        missing = mend(collection, expected, vectors, send_anew, thorough=sender.interrupted)
    report.mended = len(arrived - missing)
    report.failed += [
        (candidate.file, "it is stored, but a search does not find it")
        for candidate in candidates
        if candidate.id in missing
    ]


@contextmanager
def _server_answers(report: ImportReport) -> Iterator[None]:
    try:
        yield
    except WeaviateBaseError as error:
        raise UserError(
            f"The Weaviate server stopped answering ({short(str(error))}). {report.imported} pictures were imported "
            "this time and are kept: running the same command again goes on from there."
        ) from error


def _portions(
    changed: Iterator[tuple[Medium, str | None]], report: ImportReport, max_side: int
) -> Iterator[list[Item]]:
    """Open and scale pictures, and hand them over in portions that fit into memory and into one message."""
    portion: list[Item] = []
    size = 0
    for candidate, media_hash in changed:
        try:
            content = b"" if candidate.path is None else prepare(candidate.path.read_bytes(), max_side)
        except OSError as error:
            report.failed.append((candidate.file, f"the file cannot be read: {error.strerror}"))
            continue
        except UnreadablePicture as error:
            report.failed.append((candidate.file, str(error)))
            continue
        if portion and size + len(content) > MAX_BYTES_AT_ONCE:
            yield portion
            portion, size = [], 0
        portion.append(_item(candidate, media_hash, content))
        size += len(content)
    if portion:
        yield portion


def _item(candidate: Medium, media_hash: str | None, content: bytes) -> Item:
    image = base64.b64encode(content).decode() or None
    found = {"file": candidate.file, "image": image, "media_hash": media_hash, "caption": candidate.caption}
    properties = {name: value for name, value in found.items() if value is not None}
    # Vectors of what the file held before would be wrong.
    vectors = candidate.vectors if candidate.vectors_of == media_hash else {}
    return Item(candidate.file, candidate.id, properties, vectors)


def _progress_bar(*, disable: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=disable)

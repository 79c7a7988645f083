"""Send objects in batches, and outlast a vectorizer or a server that is away for a while."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
from weaviate.classes.data import DataObject
from weaviate.exceptions import WeaviateBaseError, WeaviateInsertManyAllFailedError

from cl2cm_plugin.collections.failures import Failure, classify, classify_exception, short, vectorizer_error
from cl2cm_plugin.collections.mending import write_out
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from uuid import UUID

    from weaviate.collections import Collection

    from cl2cm_plugin.collections.vectorizer_address import BoundAddress

FIRST_PAUSE = 0.25  # seconds
LONGEST_PAUSE = 5.0
CONCURRENT_REQUESTS = 2


@dataclass(frozen=True)
class Item:
    """One object on its way.

    Attributes:
        file: The picture's path, relative to the folder that is imported.
        id: The object's id.
        properties: What is sent, the picture in base64.
        vectors: Vectors by their names, which the vectorizer then need not make.
    """

    file: str
    id: UUID
    properties: dict[str, Any]
    vectors: Mapping[str, Any] = field(default_factory=dict)


class _Failed(NamedTuple):
    item: Item
    kind: Failure
    message: str


class Sender:
    """Sends items to one collection; a refused item fails alone, an absent vectorizer or server is waited for.

    Attributes:
        imported: How many items have arrived.
        interrupted: Whether the server was away in between, as after a crash.
    """

    def __init__(
        self,
        collection: Collection,
        address: BoundAddress,
        *,
        batch_size: int,
        wait_seconds: float,
        notify: Callable[[str], None],
    ) -> None:
        """Prepare to send.

        Args:
            collection: Where to.
            address: The vectorizer's address as the collection keeps it.
            batch_size: Objects in one request.
            wait_seconds: How long to wait, without a single success, for the vectorizer or the server. The client
                itself tries for about 15 seconds before it says that the server is away.
            notify: Called with a sentence when the waiting begins.
        """
        self.imported = 0
        self.interrupted = False
        self._collection = collection
        self._address = address
        self._batch_size = batch_size
        self._wait_seconds = wait_seconds
        self._notify = notify

    def send(self, items: list[Item], *, anew: bool = False) -> list[tuple[str, str]]:
        """Send items until each has arrived or is refused.

        Args:
            items: At most a few requests' worth; all of it is held in memory.
            anew: Delete what is stored under the items' ids first.

        Returns:
            File and reason of each refused item.

        Raises:
            ModelMismatch: The vectorizer serves another model.
            UserError: Nothing got through for ``wait_seconds``; the message says how many pictures were imported.
        """
        refused: list[tuple[str, str]] = []
        waiting_since, pause = None, FIRST_PAUSE
        while items:
            away = self._attempt(items, refused, anew=anew)
            if len(away) < len(items):
                waiting_since, pause = None, FIRST_PAUSE
            if not away:
                break
            items = [failed.item for failed in away]
            _, kind, reason = away[-1]
            if waiting_since is None:
                waiting_since = time.monotonic()
                whom = "Weaviate" if kind is Failure.SERVER_AWAY else "the vectorizer"
                self._notify(f"Waiting up to {self._wait_seconds:.0f} s for {whom}: {short(reason)}")
            if time.monotonic() - waiting_since >= self._wait_seconds:
                if kind is Failure.SERVER_AWAY or not self._vectorizer_is_ready():
                    raise self._stopped(kind, reason)
                # It works, but not for these: an import must not stop at the same picture for ever.
                refused += [(item.file, short(reason)) for item in items]
                break
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return refused

    def _attempt(self, items: list[Item], refused: list[tuple[str, str]], *, anew: bool) -> list[_Failed]:
        """Send once; give back what to send again."""
        failures = self._insert_all(items, self._batch_size, anew=anew)
        # The client joins the reasons of a request of which nothing arrived: one refused picture beside a vectorizer
        # that went away would look like a refusal of all. Alone, each has its own reason.
        unclear = [failed.item for failed in failures if failed.kind is Failure.UNCLEAR]
        failures = [failed for failed in failures if failed.kind is not Failure.UNCLEAR]
        failures += self._insert_all(unclear, 1, anew=anew)
        self.imported += len(items) - len(failures)
        away = []
        for failed in failures:
            if failed.kind in {Failure.OTHER_MODEL, Failure.NO_VECTORIZER}:
                raise self._stopped(failed.kind, failed.message)
            if failed.kind is Failure.REFUSED:
                refused.append((failed.item.file, short(failed.message)))
            else:
                away.append(failed)
        self.interrupted |= any(failed.kind is Failure.SERVER_AWAY for failed in away)
        return away

    def _insert_all(self, items: list[Item], batch_size: int, *, anew: bool) -> list[_Failed]:
        # Not the client's own batches: they wait half an hour for a server that is away, and a minute for a vectorizer
        # that is busy.
        batches = [items[begin : begin + batch_size] for begin in range(0, len(items), batch_size)]
        with _client_log_silenced(), ThreadPoolExecutor(CONCURRENT_REQUESTS) as pool:
            answers = pool.map(lambda batch: self._insert(batch, anew=anew), batches)
            return [failed for answer in answers for failed in answer]

    def _insert(self, batch: list[Item], *, anew: bool) -> list[_Failed]:
        objects = [DataObject(item.properties, item.id, dict(item.vectors) or None) for item in batch]
        try:
            if anew:
                for item in batch:
                    self._collection.data.delete_by_id(item.id)
            answer = self._collection.data.insert_many(objects)
            write_out(self._collection, [item.id for item in batch])
        except WeaviateInsertManyAllFailedError as error:
            kind, message = classify(str(error)), str(error)
            if kind is Failure.REFUSED and len(batch) > 1:
                kind = Failure.UNCLEAR
        except WeaviateBaseError as error:
            kind, message = classify_exception(error), str(error)
        else:
            return [_Failed(batch[at], classify(error.message), error.message) for at, error in answer.errors.items()]
        return [_Failed(item, kind, message) for item in batch]

    def _vectorizer_is_ready(self) -> bool:
        try:
            return httpx.get(f"{self._address.base}/.well-known/ready", timeout=5.0).is_success
        except httpx.HTTPError:
            return False

    def _stopped(self, kind: Failure, message: str) -> UserError:
        if kind is Failure.SERVER_AWAY:
            error = UserError(f"The Weaviate server does not answer ({short(message)}).")
        else:
            error = vectorizer_error(kind, self._collection.name, self._address.base, self._address.identity, message)
        return type(error)(
            f"{error} The import stopped; {self.imported} pictures were imported this time and are kept: running the "
            "same command again goes on from there."
        )


@contextmanager
def _client_log_silenced() -> Iterator[None]:
    """The client logs every failed batch as an error; here they are retried or reported, once."""
    logger = logging.getLogger("weaviate-client")
    silent = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = silent

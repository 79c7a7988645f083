"""Send objects in batches, and outlast a vectorizer that is away for a while."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from cl2cm_plugin.collections.failures import ALL_FAILED, Failure, classify, short, vectorizer_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from weaviate.collections import Collection

    from cl2cm_plugin.collections.vectorizer_address import BoundAddress
    from cl2cm_plugin.errors import UserError

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
    """

    file: str
    id: UUID
    properties: dict[str, Any]


class Sender:
    """Sends items to one collection; a refused item fails alone, an absent vectorizer is waited for."""

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
            wait_seconds: How long to wait, without a single success, for the vectorizer or the server.
            notify: Called with a sentence when the waiting begins.
        """
        self.imported = 0
        self._collection = collection
        self._address = address
        self._batch_size = batch_size
        self._wait_seconds = wait_seconds
        self._notify = notify

    def send(self, items: list[Item]) -> list[tuple[str, str]]:
        """Send items until each has arrived or is refused.

        Args:
            items: At most a few requests' worth; all of it is held in memory.

        Returns:
            File and reason of each refused item.

        Raises:
            ModelMismatch: The vectorizer serves another model.
            UserError: Nothing got through for ``wait_seconds``; the message says how many pictures were imported.
        """
        refused: list[tuple[str, str]] = []
        waiting_since, pause = None, FIRST_PAUSE
        while items:
            away, reason = self._attempt(items, refused)
            if len(away) < len(items):
                waiting_since, pause = None, FIRST_PAUSE
            items = away
            if not items:
                break
            if waiting_since is None:
                waiting_since = time.monotonic()
                self._notify(f"Waiting up to {self._wait_seconds:.0f} s for the vectorizer: {short(reason)}")
            if time.monotonic() - waiting_since >= self._wait_seconds:
                if not self._vectorizer_is_ready():
                    raise self._stopped(Failure.TRANSIENT, reason)
                # It works, but not for these: an import must not stop at the same picture for ever.
                refused += [(item.file, short(reason)) for item in items]
                break
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return refused

    def _attempt(self, items: list[Item], refused: list[tuple[str, str]]) -> tuple[list[Item], str]:
        """Send once; give back what to send again and one reason."""
        failed = self._batch(items, self._batch_size)
        # The client mixes the reasons of a request of which nothing arrived: one refused picture beside a vectorizer
        # that went away would look like a refusal of all. Alone, each has its own reason.
        unclear = [item for item in items if _is_mixed(failed.get(str(item.id)))]
        failed.update({str(item.id): "" for item in unclear})
        failed.update(self._batch(unclear, 1))
        failed = {id_: message for id_, message in failed.items() if message}
        away: list[Item] = []
        reason = ""
        fatal: tuple[Failure, str] | None = None
        for item in items:
            message = failed.get(str(item.id))
            kind = classify(message) if message is not None else None
            if message is None:
                self.imported += 1
            elif kind is Failure.TRANSIENT:
                away.append(item)
                reason = message
            elif kind is Failure.REFUSED:
                refused.append((item.file, short(message)))
            elif kind is not None:
                fatal = kind, message
        if fatal is not None:
            raise self._stopped(*fatal)
        return away, reason

    def _batch(self, items: list[Item], batch_size: int) -> dict[str, str]:
        if not items:
            return {}
        with (
            _client_log_silenced(),
            self._collection.batch.fixed_size(batch_size, concurrent_requests=CONCURRENT_REQUESTS) as batch,
        ):
            for item in items:
                batch.add_object(properties=item.properties, uuid=item.id)
        return {str(failed.object_.uuid): failed.message for failed in self._collection.batch.failed_objects}

    def _vectorizer_is_ready(self) -> bool:
        try:
            return httpx.get(f"{self._address.base}/.well-known/ready", timeout=5.0).is_success
        except httpx.HTTPError:
            return False

    def _stopped(self, kind: Failure, message: str) -> UserError:
        error = vectorizer_error(kind, self._collection.name, self._address.base, self._address.identity, message)
        return type(error)(
            f"{error} The import stopped; {self.imported} pictures were imported this time and are kept: running the "
            "same command again goes on from there."
        )


def _is_mixed(message: str | None) -> bool:
    return message is not None and ALL_FAILED in message and classify(message) is Failure.REFUSED


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

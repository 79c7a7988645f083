"""Objects that are stored but that no search by vector finds, as a server that was killed leaves them.

Weaviate confirms a batch while the last changes of its vector index are still in its memory; they are written out with
the next batch. A server that is killed before keeps the objects with their vectors, but neither a restart nor the same
objects sent once more bring them into the index: an object that has not changed keeps its place there. Only an object
that is deleted first gets a new one. Seen with Weaviate 1.38.11; with ASYNC_INDEXING less is lost, but not nothing.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

from weaviate.classes.query import Filter, MetadataQuery
from weaviate.exceptions import InsufficientPermissionsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from weaviate.collections import Collection

ROUNDS = 3
_AT_ONCE = 100
_LOOKUPS_AT_ONCE = 4
_POLL = 0.5  # seconds
# An index that is filled in the background is waited for, as long as it gets on.
_STANDSTILL = 60.0
# Cosine distance below which two vectors are the same.
_SAME = 1e-5


def write_out(collection: Collection, ids: Sequence[UUID]) -> None:
    """Have the server write out its vector index, so that a kill from now on loses nothing.

    It does so after every deletion, also after one that is only tried.

    Args:
        collection: Where the objects are.
        ids: Some of its objects.
    """
    # Who may insert, but not delete, imports without this.
    with suppress(InsufficientPermissionsError):
        collection.data.delete_many(where=Filter.by_id().contains_any(ids), dry_run=True)


def mend(
    collection: Collection,
    ids: Iterable[UUID],
    vectors: Sequence[str],
    send_anew: Callable[[set[UUID]], set[UUID]],
    *,
    thorough: bool = False,
) -> set[UUID]:
    """Insert anew what a search does not find.

    Args:
        collection: Where the objects should be.
        ids: The objects' ids.
        vectors: The names of every object's vectors.
        send_anew: Deletes objects and inserts them; gives back the ids of those that arrived.
        thorough: Search for each object also if the index seems whole.

    Returns:
        The ids of those that a search does not find in spite of it.
    """
    expected = set(ids)
    missing = _lost(collection, expected, vectors, thorough=thorough)
    for _ in range(ROUNDS):
        if not missing:
            break
        expected -= missing - send_anew(missing)
        # In a damaged index what is inserted anew may be out of reach again, and so may what was reached over the
        # deleted ones.
        missing = _lost(collection, expected, vectors, thorough=True)
    return missing


def _lost(collection: Collection, ids: set[UUID], vectors: Sequence[str], *, thorough: bool) -> set[UUID]:
    """Find what is not in the index or cannot be reached in it.

    The index is a graph: where it lost objects, others may be left without a way that leads to them. So if one object
    is lost, all others are searched for one by one, which takes some milliseconds each.
    """
    missing = _absent(collection, ids, vectors)
    done, got_on = False, time.monotonic()
    while missing and not done and time.monotonic() - got_on < _STANDSTILL:
        # Asked before the look: what arrives between the two is no loss.
        done = not _is_indexing(collection)
        time.sleep(_POLL)
        before, missing = missing, _absent(collection, missing, vectors)
        if len(missing) < len(before):
            got_on = time.monotonic()
    if missing or thorough:
        missing |= _out_of_reach(collection, ids - missing, vectors)
    return missing


def _absent(collection: Collection, ids: set[UUID], vectors: Sequence[str]) -> set[UUID]:
    """Find what is not in the index: a search among few objects looks at each of them that is."""
    absent: set[UUID] = set()
    for group in _groups(ids):
        among = Filter.by_id().contains_any(group)
        stored = collection.query.fetch_objects(filters=among, limit=1, include_vector=True, return_properties=[])
        sample = stored.objects[0].vector if stored.objects else {}
        for name in vectors:
            if name not in sample:
                absent |= set(group)
                continue
            hits = collection.query.near_vector(
                sample[name], target_vector=name, filters=among, limit=len(group), return_properties=[]
            )
            absent |= set(group) - {_id(hit) for hit in hits.objects}
    return absent


def _out_of_reach(collection: Collection, ids: set[UUID], vectors: Sequence[str]) -> set[UUID]:
    """Find what a search for its own vector does not find."""

    def is_reached(id_: UUID) -> bool:
        return all(_finds_itself(collection, id_, name) for name in vectors)

    out_of_reach: set[UUID] = set()
    with ThreadPoolExecutor(_LOOKUPS_AT_ONCE) as pool:
        for group in _groups(ids):
            reached = pool.map(is_reached, group)
            out_of_reach |= {id_ for id_, found in zip(group, reached, strict=True) if not found}
    return out_of_reach


def _finds_itself(collection: Collection, id_: UUID, vector: str) -> bool:
    hits = collection.query.near_object(
        id_, target_vector=vector, limit=1, return_properties=[], return_metadata=MetadataQuery(distance=True)
    )
    # Of several pictures with the same vector any may come first.
    return any(_id(hit) == id_ or (hit.metadata.distance or 0.0) < _SAME for hit in hits.objects)


def _is_indexing(collection: Collection) -> bool:
    """Whether the server, with ASYNC_INDEXING, has yet to index what is stored."""
    return any(shard.status == "INDEXING" or shard.vector_queue_size for shard in collection.config.get_shards())


def _groups(ids: set[UUID]) -> Iterator[list[UUID]]:
    remaining = iter(ids)
    while group := list(islice(remaining, _AT_ONCE)):
        yield group


def _id(found: Any) -> UUID:
    return UUID(str(found.uuid))

from __future__ import annotations

from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from cl2cm_plugin.collections import mending
from cl2cm_plugin.collections.mending import mend

VECTORS = ["picture", "picture_and_caption"]


class FakeCollection:
    """Has objects, of which some are not in the index of a vector, and some cannot be reached there."""

    def __init__(self, ids):
        self.query = self.config = self
        self.stored = set(ids)
        self.absent = {name: set() for name in VECTORS}
        self.unreachable = {name: set() for name in VECTORS}
        self.looked_up = []
        self.yet_to_index = []

    def fetch_objects(self, filters, limit, include_vector, return_properties):
        return hits([id_ for id_ in asked(filters) if id_ in self.stored][:limit])

    def near_vector(self, vector, target_vector, filters, limit, return_properties):
        assert vector == [1.0]
        return hits([id_ for id_ in asked(filters) if id_ in self.stored - self.absent[target_vector]])

    def near_object(self, id_, target_vector, limit, return_properties, return_metadata):
        self.looked_up.append(id_)
        assert id_ in self.stored - self.absent[target_vector]
        found = {id_: 0.0} if id_ not in self.unreachable[target_vector] else {uuid4(): 0.8}
        return hits(found, found)

    def get_shards(self):
        if not self.yet_to_index:
            return [SimpleNamespace(status="READY", vector_queue_size=0)]
        for absent in self.absent.values():
            absent -= self.yet_to_index[0]
        del self.yet_to_index[0]
        return [SimpleNamespace(status="INDEXING", vector_queue_size=0)]


def asked(filters):
    assert len(filters.value) <= 100
    return [UUID(id_) for id_ in filters.value]


def hits(ids, distances=None):
    vector = {name: [1.0] for name in VECTORS}
    return SimpleNamespace(
        objects=[
            SimpleNamespace(uuid=id_, vector=vector, metadata=SimpleNamespace(distance=(distances or {}).get(id_)))
            for id_ in ids
        ]
    )


class Anew:
    """Inserts anew, into an index that is whole."""

    def __init__(self, collection):
        self.collection = collection
        self.sent = []

    def __call__(self, ids):
        self.sent.append(ids)
        self.collection.stored |= ids
        for places in (*self.collection.absent.values(), *self.collection.unreachable.values()):
            places -= ids
        return ids


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(mending, "_POLL", 0.001)


@pytest.fixture
def ids():
    return [uuid4() for _ in range(250)]


@pytest.fixture
def collection(ids):
    return FakeCollection(ids)


@pytest.fixture
def anew(collection):
    return Anew(collection)


def test_a_whole_index_is_left_alone_and_not_searched_object_by_object(collection, ids, anew):
    assert mend(collection, ids, VECTORS, anew) == set()
    assert (anew.sent, collection.looked_up) == ([], [])


@pytest.mark.parametrize("name", VECTORS)
def test_what_is_missing_in_the_index_of_either_vector_is_inserted_anew(collection, ids, anew, name):
    collection.absent[name] = set(ids[40:60])
    assert mend(collection, ids, VECTORS, anew) == set()
    assert anew.sent == [set(ids[40:60])]


def test_what_is_not_even_stored_is_inserted_anew(collection, ids, anew):
    collection.stored -= set(ids[:3])
    assert mend(collection, ids, VECTORS, anew) == set()
    assert anew.sent == [set(ids[:3])]


def test_where_nothing_is_stored_everything_is_inserted_anew(collection, ids, anew):
    collection.stored.clear()
    assert mend(collection, ids, VECTORS, anew) == set()
    assert anew.sent == [set(ids)]


def test_one_missing_object_makes_every_other_one_be_looked_for(collection, ids, anew):
    collection.absent["picture"] = {ids[7]}
    collection.unreachable["picture_and_caption"] = {ids[200]}
    assert mend(collection, ids, VECTORS, anew) == set()
    assert anew.sent == [{ids[7], ids[200]}]


def test_after_an_interruption_every_object_is_looked_for(collection, ids, anew):
    collection.unreachable["picture"] = {ids[200]}
    assert mend(collection, ids, VECTORS, anew, thorough=True) == set()
    assert anew.sent == [{ids[200]}]


def test_another_picture_with_the_same_vector_may_come_first(collection, ids, anew, monkeypatch):
    twin = {uuid4(): 0.0}
    monkeypatch.setattr(collection, "near_object", lambda *_, **__: hits(twin, twin))
    assert mend(collection, ids, VECTORS, anew, thorough=True) == set()
    assert anew.sent == []


def test_an_index_that_is_filled_in_the_background_is_waited_for(collection, ids, anew):
    collection.absent["picture"] = set(ids[:50])
    collection.yet_to_index = [set(ids[:20]), set(ids[20:49])]
    assert mend(collection, ids, VECTORS, anew) == set()
    assert anew.sent == [{ids[49]}]


def test_an_index_that_is_done_right_after_it_was_looked_at_is_looked_at_again(collection, ids, anew):
    collection.absent["picture"] = set(ids[:9])
    look = collection.near_vector

    def looking(*arguments, **options):
        found = look(*arguments, **options)
        collection.absent["picture"] = set()
        return found

    collection.near_vector = looking

    assert mend(collection, ids, VECTORS, anew) == set()
    assert anew.sent == []


def test_an_index_that_does_not_get_on_is_not_waited_for_longer(collection, ids, anew, monkeypatch):
    monkeypatch.setattr(mending, "_STANDSTILL", 0.01)
    collection.absent["picture"] = set(ids[:2])
    collection.yet_to_index = [set()] * 100_000
    assert mend(collection, ids, VECTORS, anew) == set()
    assert anew.sent == [set(ids[:2])]


def test_what_was_reached_over_an_object_that_is_inserted_anew_is_looked_for_again(collection, ids, anew):
    collection.absent["picture"] = {ids[5]}

    def cutting_off(missing):
        arrived = anew(missing)
        if len(anew.sent) == 1:
            collection.unreachable["picture"] = {ids[200]}
        return arrived

    assert mend(collection, ids, VECTORS, cutting_off) == set()
    assert anew.sent == [{ids[5]}, {ids[200]}]


def test_what_stays_lost_is_told_after_some_rounds(collection, ids):
    collection.absent["picture"] = {ids[5]}
    sent = []
    assert mend(collection, ids, VECTORS, lambda missing: sent.append(missing) or missing) == {ids[5]}
    assert sent == [{ids[5]}] * mending.ROUNDS


def test_what_is_refused_this_time_is_not_sent_again(collection, ids):
    collection.absent["picture"] = {ids[5]}
    sent = []
    assert mend(collection, ids, VECTORS, lambda missing: sent.append(missing) or set()) == set()
    assert sent == [{ids[5]}]

from __future__ import annotations

from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from weaviate.exceptions import WeaviateInsertManyAllFailedError, WeaviateRetryError

from cl2cm_plugin import UserError
from cl2cm_plugin.collections import ModelMismatch
from cl2cm_plugin.collections import sender as module
from cl2cm_plugin.collections.sender import Item, Sender
from cl2cm_plugin.collections.vectorizer_address import BoundAddress

AWAY = 'Post "http://h:9000/m/a@1/vectorize": dial tcp: connect: connection refused'
REFUSED = "fail with status 400: image 0: bad"
NO_SERVER = WeaviateRetryError('<RPC: status = StatusCode.UNAVAILABLE details = "Connection refused">', 4)


class FakeCollection:
    """Answers each request from a script: a function of the file gives an error's text or exception, or None."""

    name = "Photos"

    def __init__(self, *rounds):
        self.rounds = list(rounds)
        self.stored = []
        self.deleted = []
        self.waiting_to_be_written = set()
        self.data = self

    def insert_many(self, objects):
        answer = self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]
        errors = {}
        for at, one in enumerate(objects):
            error = answer(one.properties["file"])
            if isinstance(error, Exception):
                raise error
            if error is not None:
                errors[at] = SimpleNamespace(message=error)
        if len(errors) == len(objects):
            raise WeaviateInsertManyAllFailedError("\n".join(sorted({error.message for error in errors.values()})))
        self.waiting_to_be_written |= {one.uuid for one in objects}
        self.stored += [one.properties["file"] for at, one in enumerate(objects) if at not in errors]
        return SimpleNamespace(errors=errors)

    def delete_by_id(self, id_):
        self.deleted.append(id_)

    def delete_many(self, where, dry_run):
        assert dry_run
        self.waiting_to_be_written -= {UUID(id_) for id_ in where.value}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.002)


def sender(collection, told=None, wait_seconds=0.05):
    address = BoundAddress("http://h:9000", "a@1")
    notify = (told if told is not None else []).append
    return Sender(collection, address, batch_size=50, wait_seconds=wait_seconds, notify=notify)


def items(*files):
    return [Item(file, uuid4(), {"file": file}) for file in files]


def test_a_refused_item_fails_alone():
    collection = FakeCollection(lambda file: REFUSED if file == "b" else None)
    sending = sender(collection)
    assert sending.send(items("a", "b", "c")) == [("b", "image 0: bad")]
    assert (sending.imported, collection.stored) == (2, ["a", "c"])


def test_an_absent_vectorizer_is_waited_for_and_nothing_is_sent_twice():
    collection = FakeCollection(lambda file: None if file == "a" else AWAY, lambda _: AWAY, lambda _: None)
    told = []
    sending = sender(collection, told, wait_seconds=5)
    assert sending.send(items("a", "b", "c")) == []
    assert (sending.imported, collection.stored) == (3, ["a", "b", "c"])
    assert told == ["Waiting up to 5 s for the vectorizer: dial tcp: connect: connection refused"]


def test_mixed_reasons_are_told_apart():
    first = lambda file: REFUSED if file == "b" else AWAY  # noqa: E731
    collection = FakeCollection(first, first, first, first, lambda _: None)  # together, and each alone
    sending = sender(collection, wait_seconds=5)
    assert sending.send(items("a", "b", "c")) == [("b", "image 0: bad")]
    assert collection.stored == ["a", "c"]


def test_a_vectorizer_that_stays_away_stops_the_import(monkeypatch):
    monkeypatch.setattr(Sender, "_vectorizer_is_ready", lambda _: False)
    collection = FakeCollection(lambda file: None if file == "a" else AWAY, lambda _: AWAY)
    with pytest.raises(UserError, match="1 pictures were imported this time and are kept: running the same command"):
        sender(collection).send(items("a", "b"))


def test_one_picture_that_never_gets_through_does_not_stop_the_others(monkeypatch):
    monkeypatch.setattr(Sender, "_vectorizer_is_ready", lambda _: True)
    collection = FakeCollection(lambda file: AWAY if file == "b" else None)
    assert sender(collection).send(items("a", "b")) == [("b", "dial tcp: connect: connection refused")]


def test_another_model_stops_the_import_at_once():
    with pytest.raises(ModelMismatch, match=r"made with the model a@1.*b@2 is served"):
        sender(FakeCollection(lambda _: "fail with status 409: b@2 is served")).send(items("a"))


def test_an_absent_server_is_waited_for_and_remembered():
    collection = FakeCollection(lambda _: NO_SERVER, lambda _: None)
    told = []
    sending = sender(collection, told, wait_seconds=5)
    assert sending.send(items("a", "b")) == []
    assert (sending.imported, collection.stored) == (2, ["a", "b"])
    assert told == ["Waiting up to 5 s for Weaviate: Connection refused"]
    assert sending.interrupted


def test_a_server_that_stays_away_stops_the_import_though_the_vectorizer_is_ready(monkeypatch):
    monkeypatch.setattr(Sender, "_vectorizer_is_ready", lambda _: True)
    sending = sender(FakeCollection(lambda _: NO_SERVER))
    with pytest.raises(UserError, match=r"Weaviate server does not answer \(Connection refused\).*running the same"):
        sending.send(items("a"))


def test_a_vectorizer_that_was_away_is_no_interruption_of_the_server():
    sending = sender(FakeCollection(lambda _: AWAY, lambda _: None), wait_seconds=5)
    sending.send(items("a"))
    assert not sending.interrupted


def test_what_arrived_is_written_out_at_once():
    collection = FakeCollection(lambda _: None)
    sender(collection).send(items("a", "b"))
    assert collection.stored == ["a", "b"]
    assert not collection.waiting_to_be_written


def test_what_is_sent_anew_is_deleted_first():
    collection = FakeCollection(lambda _: None)
    sent = items("a", "b")
    sender(collection).send(sent, anew=True)
    assert collection.deleted == [item.id for item in sent]
    assert collection.stored == ["a", "b"]

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from uuid import uuid4

import pytest

from cl2cm_plugin import UserError
from cl2cm_plugin.collections import ModelMismatch
from cl2cm_plugin.collections import sender as module
from cl2cm_plugin.collections.sender import Item, Sender
from cl2cm_plugin.collections.vectorizer_address import BoundAddress

AWAY = 'Post "http://h:9000/m/a@1/vectorize": dial tcp: connect: connection refused'
REFUSED = "fail with status 400: image 0: bad"


class FakeCollection:
    """Answers each request from a script: a function of the file gives an error's text, or None."""

    name = "Photos"

    def __init__(self, *rounds):
        self.rounds = list(rounds)
        self.stored = []
        self.batch = self
        self.failed_objects = []

    @contextmanager
    def fixed_size(self, batch_size, concurrent_requests):
        added = []
        yield SimpleNamespace(add_object=lambda properties, uuid: added.append((properties["file"], uuid)))
        answer = self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]
        self.failed_objects = []
        for begin in range(0, len(added), batch_size):
            self.request(added[begin : begin + batch_size], answer)

    def request(self, objects, answer):
        errors = {id_: answer(file) for file, id_ in objects}
        if all(errors.values()):  # weaviate-client joins the reasons of a request of which nothing arrived
            joined = "\\n".join(sorted(set(errors.values())))
            errors = dict.fromkeys(errors, f"WeaviateInsertManyAllFailedError('errors: {joined}')")
        for file, id_ in objects:
            if errors[id_] is None:
                self.stored.append(file)
            else:
                self.failed_objects.append(SimpleNamespace(object_=SimpleNamespace(uuid=id_), message=errors[id_]))


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
    collection = FakeCollection(first, first, lambda _: None)
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

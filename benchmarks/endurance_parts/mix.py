"""The seeded mix of good and bad requests, and what each must be answered."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import orjson
from serving_parts.samples import ANSWER_KEYS, BODIES, KINDS, PICTURES, SEED, TEXTS, pictures

from endurance_parts.bad import bad_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serving_parts.services import Service

OK = 200
# How many different objects of a kind the clients send: pictures differ in a comment, not in what is to be seen.
_DIFFERENT = {"texts": TEXTS, "pictures": PICTURES}
# Vectors of so many are asked for before the load begins, and must come again under it.
_KNOWN = {"texts": 256, "pictures": PICTURES}
# Numbers that the clients never come to.
_APART = 60_000 * TEXTS
# A vector does not depend on its company in the batch.
_LOWEST_COSINE = 0.9999
_UNIT_WITHIN = 1e-3


@dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
        kind: ``texts``, ``pictures``, or the name of a bad input.
        body: What is sent.
        status: What must be answered.
        known: The vector that the answer must hold, if it is known.
    """

    kind: str
    body: bytes
    status: int
    known: np.ndarray | None = None

    @property
    def good(self) -> bool:
        """Whether vectors are due."""
        return self.status == OK


class Mix:
    """Draws requests: texts and pictures by halves, and a share of bad ones.

    Args:
        service: It computes the vectors that are known.
        dimensions: Of its vectors.
        bad: Share of bad requests.
    """

    def __init__(self, service: Service, dimensions: int, bad: float) -> None:
        self._dimensions, self._bad = dimensions, bad
        self._random = random.Random(SEED)
        self._numbers: dict[str, Iterator[int]] = {kind: itertools.count() for kind in KINDS}
        self._bodies = {kind: BODIES[kind]() for kind in KINDS}
        self._bad_inputs = bad_inputs(pictures(1)[0])
        self._bad_numbers = itertools.count()
        self._known = {kind: self._ask(service, kind) for kind in KINDS}

    @property
    def kinds(self) -> list[str]:
        """All kinds, the bad ones last."""
        return [*KINDS, *self._bad_inputs]

    def draw(self) -> Request:
        """Make the next request."""
        if self._random.random() < self._bad:
            name = self._random.choice(list(self._bad_inputs))
            status, make = self._bad_inputs[name]
            return Request(name, make(next(self._bad_numbers)), status)
        kind = self._random.choice(KINDS)
        number = next(self._numbers[kind])
        known = self._known[kind].get(number % _DIFFERENT[kind])
        return Request(kind, self._bodies[kind](number), OK, known)

    def fault(self, request: Request, status: int, content: bytes) -> str | None:
        """Compare an answer with what is due.

        Returns:
            What is wrong with it, or None.
        """
        if status != request.status:
            return f"status {status} for {request.status}: {content[:200].decode(errors='replace')}"
        if not request.good:
            return None if b'"error"' in content[:20] else "no reason given"
        try:
            (vector,) = orjson.loads(content)[ANSWER_KEYS[request.kind]]
            vector = np.array(vector, dtype=np.float64)
        except (ValueError, KeyError, TypeError):
            return "not one vector"
        if vector.shape != (self._dimensions,):
            return f"shape {vector.shape}"
        if not abs(float(vector @ vector) - 1) <= _UNIT_WITHIN:
            return "no unit vector"
        if request.known is not None and not float(vector @ request.known) >= _LOWEST_COSINE:
            return f"another vector: a cosine of {float(vector @ request.known):.3f}"
        return None

    def _ask(self, service: Service, kind: str) -> dict[int, np.ndarray]:
        known = {}
        for number in range(_KNOWN[kind]):
            answer = service.ask("/vectorize", self._bodies[kind](_APART + _aligned(kind) + number))
            vector = np.array(answer[ANSWER_KEYS[kind]][0], dtype=np.float64)
            known[number] = vector / np.linalg.norm(vector)
        return known


def _aligned(kind: str) -> int:
    """Make a number that is far away stand for the first object of its kind."""
    return -_APART % _DIFFERENT[kind]

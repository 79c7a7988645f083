"""Hostile requests leave nothing behind: the process is as large after many of them as after few."""

from __future__ import annotations

import itertools
import json
from random import Random

import pytest
from PIL import Image

from ..conftest import encoded
from .corpus import KINDS, Case
from .memory import needs_proc, resident
from .odd_http import odd_http
from .service import Service

ROUNDS = 8

pytestmark = [needs_proc, pytest.mark.filterwarnings("ignore")]


def large_picture(number: int) -> Case:
    """A picture whose pixels take a megabyte, and its file next to nothing."""
    content = encoded(Image.new("RGB", (600, 600), (number, 0, 0)))
    return Case("large picture", b"/vectorize", json.dumps({"images": [content]}).encode())


def test_memory_is_flat_over_many_hostile_requests():
    every = [case for kind in (*KINDS.values(), odd_http) for case in itertools.islice(kind(Random(1)), 0, None, 15)]
    every += [large_picture(number) for number in range(20)]
    # A leak of every body would leave these behind in each round, a leak of every decoded picture as much.
    bodies = sum(len(case.body) for case in every) / 2**20
    with Service(remembered_vectors=64) as service:
        sizes = []
        for _ in range(2 + ROUNDS):
            for case in every:
                service.ask(case)
            sizes.append(resident())
    grown = sizes[-1] - sizes[1]
    assert grown < bodies * ROUNDS / 5, f"{sizes} MiB with bodies of {bodies:.0f} MiB in each round"

"""No request breaks the service: it is answered or refused in a sentence, and a good one is answered after it."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from ..conftest import film
from .checking import check, good_case, problems
from .corpus import KINDS, damaged_videos
from .odd_http import odd_http
from .service import Service

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow warns of what it finds in damaged pictures

# How many cases of each kind there are at least.
COUNTS = {
    "shapes": 3000,
    "writings": 1800,
    "odd texts": 700,
    "addresses": 850,
    "written pictures": 150,
    "odd pictures": 500,
    "damaged pictures": 1600,
    "damaged videos": 350,
    "odd http": 3700,
}
MANY = 100_000


@pytest.fixture(scope="module")
def cases_of(tmp_path_factory):
    """Makes the cases of a kind."""

    def make(kind):
        random = Random(f"hostile {kind}")
        if kind == "damaged videos":
            return damaged_videos(random, *films(tmp_path_factory.mktemp("films")))
        return odd_http(random) if kind == "odd http" else KINDS[kind](random)

    return make


def films(folder):
    for suffix, codec in (("mp4", "libx264"), ("webm", "libvpx-vp9"), ("avi", "mpeg4")):
        yield film(folder / f"film.{suffix}", range(0, 100, 10), codec=codec).read_bytes()


@pytest.fixture(scope="module")
def service():
    with Service() as service:
        yield service


def test_the_corpus_is_large():
    assert sum(COUNTS.values()) > 10_000


@pytest.mark.parametrize("kind", COUNTS)
def test_every_request_is_answered_or_refused_and_a_good_one_is_answered_after_it(service, cases_of, kind):
    asked, found = problems(service, cases_of(kind), MANY * list(COUNTS).index(kind))
    assert not found, "\n".join(found)
    assert asked >= COUNTS[kind]


def test_hostile_requests_do_not_disturb_good_ones_at_the_same_time(service, cases_of):
    cases = [case for kind in COUNTS for case in itertools.islice(cases_of(kind), 0, None, 8)]
    Random(0).shuffle(cases)
    for start in range(0, len(cases), 24):
        together = [*cases[start : start + 24], *(good_case(9 * MANY + start + number) for number in range(8))]
        for case, answer in zip(together, service.ask_together(together), strict=True):
            check(case, answer)

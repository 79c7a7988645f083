"""Small requests that mean much work: they are answered in time, and others meanwhile."""

from __future__ import annotations

import base64
import json

import pytest

from .checking import check, problems
from .corpus import EITHER, Case
from .forms import forms_of
from .pictures import SIZE, jpeg_of_scans, odd_pictures, tiff_of_strips
from .service import Service

pytestmark = pytest.mark.filterwarnings("ignore")

# Seconds for which a request may stop all others: much more than is needed, for busy machines.
STALL = 5.0
IMAGE = forms_of("image")[0]


def image(content: str | bytes) -> Case:
    text = content if isinstance(content, str) else base64.b64encode(content).decode()
    body = json.dumps(IMAGE.fill([text])).encode()
    return Case("image", IMAGE.path.encode(), body, statuses=EITHER, form=IMAGE, place=0)


def behind(mark: bytes, more: bytes, kind: str) -> bytes:
    """A picture file with more in front of the first of some marks."""
    before, found, after = odd_pictures()[kind].partition(mark)
    return before + more + found + after


def gif_of_comments(count: int) -> bytes:
    start = b",\0\0\0\0" + SIZE[0].to_bytes(2, "little") + SIZE[1].to_bytes(2, "little")
    return behind(start, b"\x21\xfe\x01a\0" * count, "gif")


BURDENS = {
    "white space before base64": lambda: image(" " * 4_000_000 + "AAAA"),
    "white space after base64": lambda: image("AAAA" + " " * 4_000_000),
    "white space in base64": lambda: image("A " * 3_000_000),
    "a very long name of a file": lambda: image("a/" * 2_000_000 + ".png"),
    "letters and dots": lambda: image("a." * 2_000_000),
    "a JPEG of 150,000 scans": lambda: image(jpeg_of_scans(150_000)),
    "a JPEG of two pictures and 150,000 scans": lambda: image(jpeg_of_scans(150_000, "MPO")),
    "a JPEG of 200,000 comments": lambda: image(behind(b"\xff\xdb", b"\xff\xfe\0\x03a" * 200_000, "jpeg")),
    "a JPEG of 50,000 pieces of EXIF": lambda: image(behind(b"\xff\xdb", b"\xff\xe1\0\x09Exif\0\0a" * 50_000, "jpeg")),
    "a GIF of 200,000 comments": lambda: image(gif_of_comments(200_000)),
    "a TIFF of 100,000 strips": lambda: image(tiff_of_strips(100_000)),
    "1,000,000 texts": lambda: Case("texts", b"/vectorize", b'{"texts": [' + b'"",' * 1_000_000 + b'""]}'),
    "400,000 lists": lambda: Case("lists", b"/vectorize", b'{"texts": ["a"], "a": [' + b"[]," * 400_000 + b"[]]}"),
    "240,000 inputs": lambda: Case(
        "inputs", b"/multimodalembeddings", b'{"inputs": [' + b'{"content":[1]},' * 240_000 + b"{}]}"
    ),
    "600,000 keys": lambda: Case(
        "keys", b"/vectorize", b"{" + b",".join(b'"%d":1' % n for n in range(600_000)) + b"}"
    ),
    "lists in one another": lambda: Case("deep", b"/vectorize", b"[" * 7_000_000),
}


@pytest.fixture(scope="module")
def service():
    with Service() as service:
        yield service


@pytest.mark.parametrize("burden", BURDENS)
def test_a_request_that_means_much_work_is_answered_in_time_and_others_meanwhile(service, burden):
    case = BURDENS[burden]()
    answer, stall = service.ask_and_watch(case)
    check(case, answer)
    assert stall < STALL
    assert problems(service, []) == (0, [])

"""The corpus: hostile requests of several kinds for every contract, the same in every run."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..conftest import INFO, text_vector
from . import mutation, pictures, texts
from .forms import FORMS, Form, forms_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    import numpy as np

REFUSED = frozenset({400, 409, 413, 422})
ANSWERED = frozenset({200})
EITHER = ANSWERED | REFUSED
# Before the path, and how many dimensions vectors have there.
PREFIXES = (
    ("", 8),
    ("", 8),
    (f"/m/{INFO.name}", 8),
    (f"/m/{INFO.identity}", 8),
    ("/d/8", 8),
    ("/d/3", 3),
    (f"/m/{INFO.identity}/d/3", 3),
)
_GOOD_TEXT = "ein Hund"
_LONG = 30_000


@dataclass(frozen=True)
class Case:
    """One request, and what may be answered.

    Attributes:
        name: What is hostile about it.
        target: Path and query, as on the wire.
        body: What is posted.
        method: HTTP method.
        headers: Names in lower case.
        statuses: What may be answered.
        form: What it was made of; None if it is of no contract.
        place: Which of the form's contents is the hostile one: refusals must name it.
        vector: What that content must get.
    """

    name: str
    target: bytes
    body: bytes = b""
    method: str = "POST"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    statuses: frozenset[int] = EITHER
    form: Form | None = None
    place: int | None = None
    vector: np.ndarray | None = None

    def __str__(self) -> str:
        shown = self.body if len(self.body) < 200 else self.body[:150] + b" ... " + self.body[-50:]
        return f"{self.name}: {self.method} {self.target.decode()} {dict(self.headers)} {shown!r}"


def address(form: Form, random: Random) -> tuple[bytes, int]:
    """Choose one of the addresses of a contract, and tell how long its vectors are."""
    prefix, dimensions = random.choice(PREFIXES)
    forced = random.choice(["", f"/c/{form.contract}"])
    return (prefix + forced + form.path).encode(), dimensions


def shapes(random: Random) -> Iterator[Case]:
    """Bodies in which keys and values are missing, unknown, of another type or at another place."""
    for form in FORMS:
        content = _good_content(form)
        for _ in range(170):
            body = mutation.changed_json(form.fill([content] * random.choice([0, 1, 1, 2]) or [content]), random)
            yield Case(
                f"shape of {form.contract}", address(form, random)[0], mutation.written(body, random), form=form
            )


def writings(random: Random) -> Iterator[Case]:
    """Bodies that are no JSON, or odd JSON."""
    for form in FORMS:
        good = mutation.written(form.fill([_good_content(form)]), random)
        for _ in range(100):
            name, body = mutation.changed_text_of_json(good, random)
            yield Case(f"{name}, {form.contract}", address(form, random)[0], body, form=form)


def odd_texts(random: Random) -> Iterator[Case]:
    """Texts of every script and length: each has a vector."""
    for form in forms_of("text"):
        for text in texts.TEXTS:
            yield text_case(f"text {text[:20]!r}", form, text, random)


def addresses(random: Random) -> Iterator[Case]:
    """Addresses and paths: a text like any other among texts, refused among media."""
    for form in FORMS:
        good = None if form.kind == "video" else _good_content(form)
        for content in texts.ADDRESSES:
            if form.kind == "text":
                yield text_case(f"address {content!r}", form, content, random)
            else:
                yield _with(f"address {content!r}", form, content, random, frozenset({422}), None, good)


def written_pictures(random: Random) -> Iterator[Case]:
    """One picture in base64 of all sorts."""
    content = _base64(pictures.odd_pictures()["png RGBA"])
    for form in forms_of("image"):
        for statuses, ways in ((ANSWERED, texts.forgiven(content, "image/png")), (REFUSED, texts.refused(content))):
            for name, way in ways.items():
                yield _with(name, form, way, random, statuses, None, content)


def odd_pictures(random: Random) -> Iterator[Case]:
    """Undamaged pictures: odd ones, some far too large, some with too much in them."""
    parts = (pictures.odd_pictures(), ANSWERED), (pictures.traps(), REFUSED), (pictures.burdens(), EITHER)
    good = _base64(pictures.odd_pictures()["png"])
    for form in forms_of("image"):
        for files, statuses in parts:
            for name, data in files.items():
                yield _with(name, form, _base64(data), random, statuses, None, good)


def damaged_pictures(random: Random) -> Iterator[Case]:
    """Pictures that were cut off, flipped, spliced or have a lie in their header."""
    files = pictures.odd_pictures()
    others = list(files.values())
    for form in forms_of("image"):
        for _ in range(320):
            kind = random.choice(list(files))
            name, data = mutation.changed_file(files[kind], others, random)
            yield _with(f"{kind}, {name}", form, _base64(data), random, EITHER, None, _base64(files["png"]))


def damaged_videos(random: Random, *videos: bytes) -> Iterator[Case]:
    """Videos that were damaged likewise."""
    others = [*pictures.odd_pictures().values(), *videos]
    for form in forms_of("video"):
        for video in videos * 60:
            name, data = mutation.changed_file(video, others, random)
            yield _with(f"video, {name}", form, _base64(data), random, EITHER, None, _base64(videos[0]))


# Videos need PyAV and are made by a fixture, hence apart; requests of another form are in `odd_http`.
KINDS = {
    "shapes": shapes,
    "writings": writings,
    "odd texts": odd_texts,
    "addresses": addresses,
    "written pictures": written_pictures,
    "odd pictures": odd_pictures,
    "damaged pictures": damaged_pictures,
}


def text_case(name: str, form: Form, text: str, random: Random) -> Case:
    """Ask for a text's vector, which it must get whatever it looks like."""
    # How far a long text is read is the model's business.
    vector = text_vector(text) if len(text) < _LONG else None
    return _with(name, form, text, random, ANSWERED, vector, _GOOD_TEXT)


def _with(name, form, content, random, statuses, vector, good) -> Case:
    """Put a content among good ones, if there are any."""
    count = random.choice([1, 1, 2, 3]) if form.takes_several and good else 1
    place = random.randrange(count)
    contents = [good] * count
    contents[place] = content
    target, dimensions = address(form, random)
    if vector is not None:
        vector = vector[:dimensions]
    body = mutation.written(form.fill(contents), random)
    return Case(f"{name}, {form.contract}", target, body, statuses=statuses, form=form, place=place, vector=vector)


def _good_content(form: Form) -> str:
    return _GOOD_TEXT if form.kind == "text" else _base64(pictures.odd_pictures()["png of 1 x 1"])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()

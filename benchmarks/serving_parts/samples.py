"""What the clients send: distinct captions, and photographs that are drawn here. Seeded: the same ones everywhere."""

from __future__ import annotations

import base64
import io
import itertools
import json
import random
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEED = 20
KINDS = ("texts", "pictures")
REQUEST_KEYS = {"texts": "texts", "pictures": "images"}
ANSWER_KEYS = {"texts": "textVectors", "pictures": "imageVectors"}
# A service that remembers vectors has forgotten a text before it comes again: there are more than it remembers.
TEXTS = 16_384
PICTURES = 48
WIDTH, HEIGHT = 640, 480
_QUALITY = 92
_SHORTEST, _LONGEST = 5, 20
_BLOBS, _NOISE = 14, 4.0
# A JPEG file as Pillow writes it begins with its start mark and the JFIF segment.
_BEGINNING = 20
_COMMENT = b"\xff\xfe\x00\x0b%09d"

_ENGLISH = """
a small, the old, two young, a bright red, three, the wet, a smiling, many, one tall, the wooden, an empty, some
dog, woman, child, bicycle, man with a hat, street, boat, horse, girl, musician, bus, crowd, player, cat, tree, market
is standing, runs, jumps, sits, looks, is waiting, is sleeping, plays, walks, leans
next to, in front of, behind, over, under, near, towards, along, across from, beside
"""
_GERMAN = """
ein kleiner, der alte, zwei junge, ein leuchtend roter, drei, der nasse, ein lachender, viele, ein hoher, der, einige
Hund, Junge, Mann mit Hut, Radfahrer, Reiter, Musiker, Bus, Garten, Zuschauer, Kater, Bauarbeiter, Baum, Berg, Zug
steht, läuft, springt, sitzt, schaut, wartet, schläft, spielt, geht, lehnt
neben, vor, hinter, über, unter, in der Nähe von, gegenüber von, mit, auf, bei
"""


def texts(count: int) -> list[str]:
    """Compose distinct captions of 5 to 20 words, in English and German by turns."""
    generator = random.Random(SEED)
    languages = [[line.split(", ") for line in words.split("\n")[1:-1]] for words in (_ENGLISH, _GERMAN)]
    found: dict[str, None] = {}
    for parts in itertools.cycle(languages):
        if len(found) == count:
            break
        found.setdefault(_caption(generator, *parts))
    return list(found)


def _caption(
    generator: random.Random, openings: list[str], nouns: list[str], verbs: list[str], prepositions: list[str]
) -> str:
    length = generator.randint(_SHORTEST, _LONGEST)
    words: list[str] = []
    for choices in itertools.chain((openings, nouns, verbs), itertools.cycle((prepositions, openings, nouns))):
        words += generator.choice(choices).split()
        if len(words) >= length:
            break
    return " ".join(words[:length])


def pictures(count: int) -> list[bytes]:
    """Draw JPEG files of 640 x 480 pixels, as large as those of photographs: soft fields, shapes, grain."""
    generator = np.random.default_rng(SEED)
    return [_picture(generator) for _ in range(count)]


def _picture(generator: np.random.Generator) -> bytes:
    light, detail = _field(generator, 6), _field(generator, 60)
    image = Image.blend(light, detail, generator.uniform(0.2, 0.4))
    draw = ImageDraw.Draw(image)
    for _ in range(_BLOBS):
        x, y = generator.integers((WIDTH, HEIGHT))
        width, height = generator.integers(20, 200, 2)
        shape = (draw.ellipse, draw.rectangle)[generator.integers(2)]
        shape((x - width // 2, y - height // 2, x + width // 2, y + height // 2), tuple(generator.integers(0, 256, 3)))
    image = image.filter(ImageFilter.GaussianBlur(1))
    grain = generator.normal(0, _NOISE, (HEIGHT, WIDTH, 3))
    pixels = np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def _field(generator: np.random.Generator, rows: int) -> Image.Image:
    coarse = generator.integers(0, 256, (rows, rows * WIDTH // HEIGHT, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def numbered(picture: bytes, number: int) -> bytes:
    """Put a number into a JPEG file as a comment: another file, which takes as long to decode."""
    return picture[:_BEGINNING] + _COMMENT % number + picture[_BEGINNING:]


def body(kind: str, text: str) -> bytes:
    """Write the body of a request for one object: a text, or a picture in base64."""
    return json.dumps({REQUEST_KEYS[kind]: [text]}).encode()


def text_bodies() -> Callable[[int], bytes]:
    """Prepare request bodies: the function gives that of a number, the same again only after `TEXTS` others."""
    bodies = [body("texts", text) for text in texts(TEXTS)]
    return lambda number: bodies[number % TEXTS]


def picture_bodies() -> Callable[[int], bytes]:
    """Prepare request bodies: the function gives that of a number, never the same again."""
    marker = "beginning"
    before, after = body("pictures", marker).split(marker.encode())
    drawn = pictures(PICTURES)
    # What stands before a picture's number, and the number, have lengths that base64 encodes apart from the rest.
    ends = [base64.b64encode(picture[_BEGINNING:]) + after for picture in drawn]

    def make(number: int) -> bytes:
        place = number % PICTURES
        beginning = drawn[place][:_BEGINNING] + _COMMENT % number
        return before + base64.b64encode(beginning) + ends[place]

    return make


BODIES: dict[str, Callable[[], Callable[[int], bytes]]] = {"texts": text_bodies, "pictures": picture_bodies}


def endless(kind: str) -> Iterator[str | bytes]:
    """Give one text after the other, or one picture file."""
    if kind == "texts":
        yield from itertools.cycle(texts(TEXTS))
    else:
        for number, picture in enumerate(itertools.cycle(pictures(PICTURES))):
            yield numbered(picture, number)

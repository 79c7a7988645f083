"""Small changes that make a good body or file a bad one; every change is drawn from the generator that is given."""

from __future__ import annotations

import copy
import json
import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

from .forms import KEYS

if TYPE_CHECKING:
    from random import Random


def nested(depth: int, *, in_objects: bool = False) -> Any:
    value: Any = "a"
    for _ in range(depth):
        value = {"a": value} if in_objects else [value]
    return value


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 1.5, -0.0, 1e308, 2**31, 2**63, 2**64, -(2**63), 10**30),
    *("", " ", "a", "0", "null", "\0", "\u202e", "a\nb", "NaN", "a" * 5000, "text", "image_base64", "base64", "float"),
    *([], {}, [[]], [None], [[["a"]]], [{}], {"": ""}, {"a": None}, ["a"] * 300, ["a", 1, None, {}, []]),
    *(nested(40), nested(200), nested(200, in_objects=True)),
)


def changed_json(body: dict[str, Any], random: Random) -> dict[str, Any]:
    """Change, remove or add one to three values anywhere in a body."""
    body = copy.deepcopy(body)
    for _ in range(random.randint(1, 3)):
        holder = random.choice(list(_holders(body)))
        places = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        value = copy.deepcopy(random.choice(VALUES))
        change = random.choice(["replace", "replace", "replace", "remove", "add"])
        if change == "add" or not places:
            _add(holder, value, random)
        elif change == "remove":
            del holder[random.choice(places)]
        else:
            holder[random.choice(places)] = value
    return body


def _holders(value: Any):
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _holders(inner)


def _add(holder: Any, value: Any, random: Random) -> None:
    if isinstance(holder, dict):
        holder[random.choice([*KEYS, "type", "content", "image_base64", "", "__class__", "a" * 1000])] = value
    else:
        holder.insert(random.randint(0, len(holder)), value)


NUMBERS = (b"NaN", b"-Infinity", b"1e999", b"-0", b"01", b"0x10", b"1_000", b"9" * 5000, b"1e-400", b"-", b"1.", b".5")
ESCAPES = (
    rb"\ud800",
    rb"\udfff\ud800",
    rb"\u0000",
    rb"\x41",
    rb"\u12",
    b"\0",
    b"\n",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
)


def changed_text_of_json(text: bytes, random: Random) -> tuple[str, bytes]:
    """Change how a body is written, and say how."""
    name = random.choice(list(_WRITINGS))
    return name, _WRITINGS[name](text, random)


def _at_a_quote(text: bytes, inserted: bytes, random: Random) -> bytes:
    quotes = [match.end() for match in re.finditer(b'"', text)]
    place = random.choice(quotes) if quotes else 0
    return text[:place] + inserted + text[place:]


def _other_number(text: bytes, random: Random) -> bytes:
    number = random.choice(NUMBERS)
    values = list(re.finditer(rb"(?<=: )(\"[^\"]*\"|null|\d+)", text))
    if not values:
        return number
    value = random.choice(values)
    return text[: value.start()] + number + text[value.end() :]


def _twice(text: bytes, _random: Random) -> bytes:
    return text[:-1] + b", " + text[1:]


_WRITINGS = {
    "cut off": lambda text, random: text[: random.randrange(len(text))],
    "one byte gone": lambda text, random: without(text, random, 1),
    "a byte more": lambda text, random: inserted(text, random, bytes([random.randrange(256)])),
    "flipped bits": lambda text, random: flipped(text, random),
    "a number": _other_number,
    "an escape": lambda text, random: _at_a_quote(text, random.choice(ESCAPES), random),
    "keys twice": _twice,
    "byte order mark": lambda text, _: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda text, random: text.decode().encode(random.choice(["utf-16", "utf-16-be", "utf-32-le"])),
    "two bodies": lambda text, random: text + random.choice([b"", b"\n", b",", b"\0"]) + text,
    "white space": lambda text, random: random.choice([b" ", b"\t\r\n", b"\0", b"\xc2\xa0", b"\x0b"]) * 50 + text,
    "a comment": lambda text, random: inserted(text, random, b"/* */"),
    "single quotes": lambda text, _: text.replace(b'"', b"'"),
    "comma at the end": lambda text, _: text[:-1] + b",}",
    "deep": lambda text, random: random.choice([b"[", b'{"a":', b'[{"a":']) * random.choice([900, 1100, 100_000]),
    "deep and closed": lambda text, random: _wrapped(text, random.choice([900, 1100, 50_000])),
    "deep inside": lambda text, random: text[:-1] + b', "a": ' + _wrapped(b"1", random.choice([900, 1100])) + b"}",
    "no object": lambda _, random: random.choice(
        [b"", b" ", b"[]", b'"a"', b"1", b"null", b"true", b"\x00", b"a=b&c=d"]
    ),
    "other bytes": lambda _, random: random.randbytes(random.choice([1, 10, 1000])),
}


def _wrapped(text: bytes, depth: int) -> bytes:
    return b"[" * depth + text + b"]" * depth


def flipped(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 8, 64])):
        changed[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(changed)


def without(data: bytes, random: Random, count: int) -> bytes:
    place = random.randrange(len(data))
    return data[:place] + data[place + count :]


def inserted(data: bytes, random: Random, more: bytes) -> bytes:
    place = random.randrange(len(data) + 1)
    return data[:place] + more + data[place:]


def changed_file(data: bytes, others: list[bytes], random: Random) -> tuple[str, bytes]:
    """Damage a file, and say how."""
    name = random.choice(list(_DAMAGES))
    return name, _DAMAGES[name](data, others, random)


def _spliced(data: bytes, others: list[bytes], random: Random) -> bytes:
    other = random.choice(others)
    return data[: random.randrange(1, len(data))] + other[random.randrange(len(other)) :]


def _other_word(data: bytes, random: Random) -> bytes:
    """Overwrite a number of two or four bytes, more often at the beginning where sizes stand."""
    order = random.choice("<>")
    word = struct.pack(order + random.choice("HI"), random.choice([0, 1, 0x7FFF, 0xFFFF]))
    if len(word) == 4:
        word = struct.pack(
            order + "I", random.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x00FFFFFF, len(data)])
        )
    place = random.randrange(min(len(data), random.choice([32, 128, len(data)])))
    return data[:place] + word + data[place + len(word) :]


def _other_magic(data: bytes, others: list[bytes], random: Random) -> bytes:
    length = random.choice([2, 4, 8, 12])
    return random.choice(others)[:length] + data[length:]


def _repaired(data: bytes) -> bytes:
    """Give a PNG's chunks the check sums that fit their damage, so that it is found later."""
    repaired, place = data[:8], 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        content = data[place + 4 : place + 8 + length]
        if place + 12 + length > len(data):
            break
        repaired += data[place : place + 4] + content + struct.pack(">I", zlib.crc32(content))
        place += 12 + length
    return repaired + data[place:]


_DAMAGES = {
    "cut off": lambda data, _, random: data[: random.randrange(len(data))],
    "flipped bits": lambda data, _, random: flipped(data, random),
    "flipped bits, good check sums": lambda data, _, random: _repaired(flipped(data, random)),
    "spliced": _spliced,
    "other word": lambda data, _, random: _other_word(data, random),
    "other word, good check sums": lambda data, _, random: _repaired(_other_word(data, random)),
    "bytes gone": lambda data, _, random: without(data, random, random.choice([1, 2, 4, 16, 100])),
    "bytes more": lambda data, _, random: inserted(data, random, random.randbytes(random.choice([1, 4, 100]))),
    "a part twice": lambda data, _, random: inserted(data, random, data[: random.randrange(len(data))]),
    "zeros": lambda data, _, random: inserted(without(data, random, 16), random, bytes(16)),
    "other magic": _other_magic,
    "twice": lambda data, _, __: data + data,
}


def written(body: Any, random: Random) -> bytes:
    """Write a body as JSON in one of the usual ways."""
    text = json.dumps(body, ensure_ascii=random.random() < 0.5, separators=random.choice([None, (",", ":")]))
    return text.encode(errors="surrogatepass")

"""What may arrive on a socket that no HTTP client would send."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

ENDS = ("wait", "close", "half-close", "reset")
BODY = b'{"texts": ["ein Hund"]}'
HEAD = b"POST /vectorize HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Attack:
    """Bytes, and how the connection ends.

    Attributes:
        name: What is wrong with them.
        data: What is sent.
        end: One of `ENDS`: wait for the answer, hang up in one of two ways, or say that nothing more will come.
    """

    name: str
    data: bytes
    end: str = "wait"


def good(text: str, padding: int = 0) -> bytes:
    body = json.dumps({"texts": [text], "padding": " " * padding}).encode()
    return HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def attacks(random: Random) -> Iterator[Attack]:
    """Yield some 300 attacks, the same for the same generator."""
    whole = good("ein Hund")
    yield from _garbage(random)
    for _ in range(60):
        yield Attack("cut off", whole[: random.randrange(1, len(whole))], random.choice(ENDS[1:]))
    for _ in range(40):
        place = random.randrange(len(whole))
        yield Attack("another byte", whole[:place] + random.randbytes(1) + whole[place + 1 :])
    for length in (len(BODY) + 1, 10**6, 10**9):
        yield from (Attack("less than announced", _announced(b"%d" % length), end) for end in ENDS[1:])
    for length in LENGTHS:
        yield Attack("odd length", _announced(length))
    for header in HEADERS:
        yield Attack("odd header", _announced(b"23\r\n" + header))
    for body in CHUNKS:
        yield from (Attack("odd chunks", CHUNKED + body, end) for end in ENDS)
    for line in LINES:
        yield Attack(
            "odd request line", line + b"\r\nHost: a\r\nConnection: close\r\nContent-Length: 23\r\n\r\n" + BODY
        )
    for end in ENDS:
        yield Attack("30 requests at once", (HEAD + b"Content-Length: 23\r\n\r\n" + BODY) * 30, end)
    yield Attack("a request in a body", HEAD + b"Content-Length: 0\r\n\r\n" + whole)
    yield Attack("garbage behind a request", HEAD + b"Content-Length: 23\r\n\r\n" + BODY + random.randbytes(99))


def _garbage(random: Random) -> Iterator[Attack]:
    lengths = (1, 3, 10, 100, 1000, 10_000, 100_000)
    for data in (*GARBAGE, *(random.randbytes(length) for length in lengths)):
        yield from (Attack("no HTTP", data, end) for end in ("half-close", "reset"))


def _announced(length: bytes) -> bytes:
    return HEAD + b"Connection: close\r\nContent-Length: " + length + b"\r\n\r\n" + BODY


GARBAGE = (
    *(b"", b"\0", b"\n" * 1000, b"\r\n" * 1000, b"\r", b"GET", b"GET ", b"GET / ", b"GET /\r\n\r\n", b"a" * 200_000),
    *(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(500), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)),
    *(b"SSH-2.0-OpenSSH_9.9\r\n", b"\x05\x01\0", b"*1\r\n$4\r\nPING\r\n", b"EHLO a\r\n", b"\x80\0\0\0", b"{}" * 5000),
    *(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n", b"GET / HTTP/1.1\r\na: " + b"b" * 300_000 + b"\r\n\r\n"),
    *(b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a" * 300_000 + b": b\r\n\r\n"),
    *(
        b"GET / HTTP/1.1\r\n a: b\r\n\r\n",
        b"GET / HTTP/1.1\na: b\n\n",
        b"GET / HTTP/1.1\r\na\r\n\r\n",
        b"GET / HTTP/1.1\r\n: b\r\n\r\n",
    ),
)
LENGTHS = (
    *(b"-1", b"+23", b"0x17", b"2_3", b"23, 23", b"23, 24", b"23 24", b"1e2", b"", b" ", b"\xb2\xb3", b"\0", b"23\0"),
    *(
        b"9" * 19,
        b"9" * 20,
        b"9" * 5000,
        b"18446744073709551616",
        b"00000000000000000000000023",
        b"23\r\nContent-Length: 24",
    ),
)
HEADERS = (
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", b"Transfer-Encoding: a", b"Transfer-Encoding:"),
    *(b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding: \x0bchunked"),
    *(
        b"Expect: 100-continue",
        b"Expect: 200-ok",
        b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings",
        b"Connection: close, a",
    ),
    *(
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13",
        b"Keep-Alive: a",
    ),
    *(
        b"a\0b: c",
        b"a b: c",
        b"a: b\0c",
        b"a: b\r\n c",
        b"\xff: \xff",
        b"a:" + b" " * 9000,
        b"Host: b",
        b"Content-Type: \xff",
    ),
    *(
        b"Authorization: Basic \xff",
        b"X-Request-ID: a\x01b",
        b"traceparent: 00-" + b"0" * 9000,
        b"Cookie: " + b"a=b;" * 9000,
    ),
)
CHUNKS = (
    *(
        b"",
        b"17",
        b"17\r\n",
        b"17\r\n{",
        b"17\r\n" + BODY,
        b"17\r\n" + BODY + b"\r\n",
        b"17\r\n" + BODY + b"\r\n0\r\n",
    ),
    *(
        b"-1\r\n",
        b"g\r\n",
        b"\r\n",
        b"0x17\r\n",
        b"f" * 16 + b"\r\n",
        b"f" * 17 + b"\r\n",
        b"f" * 5000 + b"\r\n",
        b" 17\r\n",
    ),
    *(
        b"17;" + b"a" * 100_000 + b"\r\n" + BODY,
        b"16\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"18\r\n" + BODY + b"\r\n0\r\n\r\n",
    ),
    *(
        b"0\r\n\r\n",
        b"0\r\na: b\r\n\r\n",
        b"0\r\n" + b"a: b\r\n" * 9000 + b"\r\n",
        b"1\r\n{\r\n" * 9000,
        b"\0",
        b"17\n" + BODY + b"\n0\n\n",
    ),
)
LINES = (
    *(
        b"POST /vectorize",
        b"POST /vectorize HTTP/1.0",
        b"POST /vectorize HTTP/0.9",
        b"POST /vectorize HTTP/9.9",
        b"POST",
    ),
    *(
        b"POST  /vectorize  HTTP/1.1",
        b"POST\t/vectorize\tHTTP/1.1",
        b"post /vectorize HTTP/1.1",
        b" POST /vectorize HTTP/1.1",
    ),
    *(
        b"POST http://a/vectorize HTTP/1.1",
        b"POST http://a HTTP/1.1",
        b"GET http:// HTTP/1.1",
        b"POST a:b@c/vectorize HTTP/1.1",
    ),
    *(
        b"OPTIONS * HTTP/1.1",
        b"CONNECT 127.0.0.1:9 HTTP/1.1",
        b"POST * HTTP/1.1",
        b"POST ? HTTP/1.1",
        b"POST # HTTP/1.1",
    ),
    *(
        b"POST /vectorize#a HTTP/1.1",
        b"POST vectorize HTTP/1.1",
        b"POST /\xff\xfe HTTP/1.1",
        b"POST /\xc3\xa9 HTTP/1.1",
    ),
    *(
        b"POST /\0 HTTP/1.1",
        b"POST /%00 HTTP/1.1",
        b"POST /d/8%0a/vectorize HTTP/1.1",
        b"POST /%0d%0aa HTTP/1.1",
        b"TRACE / HTTP/1.1",
    ),
    *(
        b"A" * 5000 + b" / HTTP/1.1",
        b"PRI / HTTP/1.1",
        b"M-SEARCH * HTTP/1.1",
        b"POST /vectorize FTP/1.1",
        b"POST /vectorize HTTP/1.1.1",
    ),
)

"""Requests whose method, path or headers are odd."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from ..conftest import INFO
from .corpus import ANSWERED, EITHER, Case
from .forms import FORMS, PATHS, Form
from .mutation import written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

NOT_SERVED = frozenset({404, 405})
METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "post", "A" * 1000)
TYPES = (
    *(
        b"",
        b"text/plain",
        b"application/json; charset=utf-16",
        b"application/x-www-form-urlencoded",
        b"*/*",
        b"/",
        b";",
    ),
    *(
        b"multipart/form-data",
        b"multipart/form-data; boundary=a",
        b"application/json, text/html",
        b"\xff\xfe\x00",
        b"a" * 9000,
    ),
    *(
        b'application/json; charset="',
        b"application/xml",
        b"image/png",
        b"application/octet-stream",
        b"text/html; a=b; a=c",
    ),
)
HEADERS = (
    *((b"content-type", value) for value in TYPES),
    *((b"content-length", value) for value in (b"0", b"5", b"-1", b"a", b"", b"1e3", b"0x10", b"+5", b"\xb2", b" 5")),
    *((b"content-encoding", value) for value in (b"gzip", b"br", b"identity", b"a, b, c")),
    *((b"transfer-encoding", value) for value in (b"chunked", b"gzip, chunked", b"a")),
    *(
        (b"host", value)
        for value in (b"", b"[", b"]", b"[::1", b"a:b:c", b":0", b"a:99999", b"\xff", b"a b", b"/", b"@", b"a" * 5000)
    ),
    *((b"accept", value) for value in (b"", b"text/html", b"application/json;q=0", b"\xff")),
    *((b"accept-encoding", value) for value in (b"gzip", b"*;q=0", b"a" * 5000)),
    *((b"expect", b"100-continue"), (b"expect", b"a"), (b"range", b"bytes=0-0"), (b"range", b"bytes=9-1,,")),
    *((b"upgrade", b"websocket"), (b"connection", b"upgrade"), (b"connection", b"\0"), (b"te", b"trailers")),
    *((b"x-forwarded-for", b"127.0.0.1"), (b"x-forwarded-host", b"["), (b"forwarded", b"for=[")),
    *((b"x-http-method-override", b"DELETE"), (b"x-original-url", b"/etc/passwd"), (b"cookie", b"=;==;" * 100)),
    *(
        (b"authorization", b"Basic !"),
        (b"authorization", b"Bearer \xff"),
        (b"origin", b"null"),
        (b"if-none-match", b"*"),
    ),
)
PLACES = (
    *(
        b"/",
        b"//",
        b"/%00",
        b"/%0d%0aa:%20b",
        b"/%ff%fe",
        b"/%",
        b"/%zz",
        b"/%u0041",
        b"/..",
        b"/../../etc/passwd",
    ),
    *(
        b"/..%2f..%2fetc%2fpasswd",
        b"/%2e%2e/",
        b"/.",
        b"/%5c..%5c",
        b"/favicon.ico",
        b"/index.html",
        b"/.git/config",
        b"/.env",
    ),
    *(
        b"/static/../../etc/passwd",
        b"/docs",
        b"/redoc",
        b"/openapi.json",
        b"/docs/oauth2-redirect",
        b"/metrics",
        b"/debug",
    ),
    *(b"/" + b"a" * 60_000, b"/a" * 20_000, b"/" * 60_000, b"/%2f" * 10_000, b"/m" * 20_000, b"/d/8" * 10_000),
    *(
        b"/m",
        b"/m/",
        b"/d",
        b"/d/",
        b"/c",
        b"/c/",
        b"/m//",
        b"/m/d/8",
        b"/d/8/m/cl2cm-de",
        b"/c/multi2vec-clip",
        b"/v1",
    ),
)
ODD_PREFIXES = (
    *(
        b"/m/other",
        b"/m/%00",
        b"/m/" + b"a" * 10_000,
        b"/m/%ff",
        b"/m/cl2cm-de%40",
        b"/m/CL2CM-DE",
        b"/m/cl2cm-de%2fd%2f3",
    ),
    *(
        b"/d/0",
        b"/d/9",
        b"/d/-1",
        b"/d/1e3",
        b"/d/08",
        b"/d/%EF%BC%98",
        b"/d/%d9%a8",
        b"/d/8.0",
        b"/d/+8",
        b"/d/" + b"9" * 5000,
    ),
    *(b"/d/8/d/8", b"/m/cl2cm-de/m/cl2cm-de", b"/d/8%00", b"/d/%20", b"/d/8%0a", b"/d/None", b"/d/true", b"/d/NaN"),
    *(
        b"/c/unknown",
        b"/c/%00",
        b"/c/multi2vec-clip/c/multi2vec-clip",
        b"/c/" + b"a" * 10_000,
        b"/c/..",
        b"/c/text2vec-model2vec",
    ),
)
QUERIES = (
    b"?",
    b"?a",
    b"?a=b&a=c",
    b"?%ff=%00",
    b"?&&&===",
    b"?" + b"a" * 20_000,
    b"?texts=b&dimensions=3",
    b"?[]",
    b"?\xc3\xa9",
)
FACTS = (b"/meta", b"/metrics", b"/.well-known/ready", b"/.well-known/live", b"/openapi.json")


def odd_http(random: Random) -> Iterator[Case]:
    """Every contract's request with odd headers, prefixes, queries and methods, and paths that do not exist."""
    for form in FORMS:
        yield from _variations(form, random)
    for path, method in itertools.product([*map(str.encode, PATHS.values()), *FACTS, *PLACES], [*METHODS, "POST"]):
        known = {200, 204} if path in FACTS else set()
        yield Case("method", path, b'{"texts": 5}', method, statuses=EITHER | NOT_SERVED | known)
    for prefix, fact in itertools.product([*ODD_PREFIXES, f"/m/{INFO.identity}".encode(), b"/d/3"], FACTS):
        yield Case("facts", prefix + fact, method="GET", statuses=EITHER | NOT_SERVED | {204})
    for headers in random.sample(list(itertools.permutations(HEADERS, 2)), 700):
        yield Case("two headers", b"/vectorize", b'{"texts": ["a"]}', headers=headers)
    for count in (100, 5000):
        headers = tuple((b"x-%d" % number, b"a") for number in range(count))
        yield Case("many headers", b"/vectorize", b'{"texts": ["a"]}', headers=headers, statuses=ANSWERED)


def _variations(form: Form, random: Random) -> Iterator[Case]:
    good = written(form.fill(["a"] * 2), random)
    target = form.path.encode()
    for header in HEADERS:
        yield Case("header", target, good, headers=(header,), form=form)
    for query in QUERIES:
        yield Case("query", target + query, good, form=form)
    for prefix in ODD_PREFIXES:
        yield Case("prefix", prefix + target, good, statuses=EITHER | NOT_SERVED)
    others = (b"/%2f" + target[1:], target + b"/", target + b"%20", target + b";a", target.upper(), target + b"%00")
    for other in others:
        yield Case("path", other, good, statuses=EITHER | NOT_SERVED)
    for same in (b"/" + target, b"//" * 100 + target, target.replace(b"e", b"%65")):
        yield Case("the same path", same, good, form=form)

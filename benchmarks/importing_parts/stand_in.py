"""A vectorizer that does no work, as a process of its own: stand_in.py DIMENSIONS.

Every answer takes the same short time: random unit vectors that were written out before. What an import reaches with
it is what Weaviate and the importer allow. It prints its address once it answers.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys

import numpy as np
import orjson
import uvloop

IDENTITY = "stand-in@0123456789abcdef"
_VECTORS = 16_384
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_HEAD_ENDS = b"\r\n\r\n"


class Answers:
    """What is answered.

    Args:
        dimensions: Of the vectors.
    """

    def __init__(self, dimensions: int) -> None:
        name, _, fingerprint = IDENTITY.partition("@")
        meta = {"name": name, "fingerprint": fingerprint, "dimensions": dimensions, "languages": ["en"]}
        self._meta = _response(b"200 OK", json.dumps(meta).encode())
        vectors = np.random.default_rng(0).normal(size=(_VECTORS, dimensions))
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        written = (b"[%b]" % orjson.dumps(vector, option=orjson.OPT_SERIALIZE_NUMPY) for vector in vectors)
        self._vectors = itertools.cycle(list(written))

    def to(self, head: bytes, body: bytes) -> bytes:
        """Answer a request: of each kind that it holds it gets one vector, as Weaviate asks for one object."""
        if head.startswith(b"POST "):
            # Texts come first, so looking for what follows them is short.
            text = next(self._vectors) if body.startswith(b'{"texts"') else b"[]"
            picture = next(self._vectors) if b'"images":' in body else b"[]"
            return _response(b"200 OK", b'{"textVectors":%b,"imageVectors":%b}' % (text, picture))
        if head.startswith(b"GET /meta "):
            return self._meta
        return _response(b"204 No Content", b"")


def _response(status: bytes, content: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(content),
        content,
    )


class Caller(asyncio.Protocol):
    """One connection.

    Args:
        answers: What is answered.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer once a whole request has come."""
        self._received += data
        end = self._received.find(_HEAD_ENDS, 0, 8192)
        if end < 0:
            return
        length = _LENGTH.search(self._received, 0, end)
        begin = end + len(_HEAD_ENDS)
        whole = begin + (int(length[1]) if length else 0)
        if len(self._received) >= whole:
            answer = self._answers.to(bytes(self._received[:begin]), bytes(self._received[begin:whole]))
            del self._received[:whole]
            self._transport.write(answer)


async def _serve(dimensions: int) -> None:
    answers = Answers(dimensions)
    server = await asyncio.get_running_loop().create_server(lambda: Caller(answers), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))

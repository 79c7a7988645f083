"""Reading requests safely: bounded bodies, and callers who hang up."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from cl2cm_plugin.vectorizer.failures import TooLargeError, UnavailableError
from cl2cm_plugin.vectorizer.settings import MEBIBYTE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from starlette.requests import Request

Result = TypeVar("Result")
# An over-long body is read to its end up to this multiple of the limit: the answer to a caller who is still sending is
# often lost, and with it the reason.
_DISCARDED = 2


class HungUpError(Exception):
    """The caller closed the connection before the answer."""

    reason = "hung_up"


class Bodies:
    """Reads request bodies within limits.

    Args:
        max_body_bytes: Longest body.
        max_held_bytes: All bodies together that are held at once.
    """

    def __init__(self, max_body_bytes: int, max_held_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._max_held_bytes = max_held_bytes
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Read a body, which counts as held until the context ends.

        Args:
            request: A request whose body was not read yet.

        Yields:
            The body.

        Raises:
            TooLargeError: It is longer than one may be.
            UnavailableError: Too much is held already.
        """
        chunks: list[bytes] = []
        size = held = 0
        try:
            async for chunk in self._chunks(request):
                size += len(chunk)
                if size > self._max_body_bytes:
                    continue
                if self._held + len(chunk) > self._max_held_bytes:
                    raise UnavailableError("busy with large requests, retry")
                chunks.append(chunk)
                held += len(chunk)
                self._held += len(chunk)
            if size > self._max_body_bytes:
                raise self._too_large()
            body = b"".join(chunks)
            chunks.clear()
            yield body
        finally:
            self._held -= held

    async def _chunks(self, request: Request) -> AsyncIterator[bytes]:
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > _DISCARDED * self._max_body_bytes:
            raise self._too_large()
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > _DISCARDED * self._max_body_bytes:
                raise self._too_large()
            yield chunk

    def _too_large(self) -> TooLargeError:
        return TooLargeError(
            f"the body is longer than {self._max_body_bytes / MEBIBYTE:.1f} MiB: send smaller pictures"
        )


async def unless_hung_up(request: Request, work: Coroutine[None, None, Result]) -> Result:
    """Do some work for a caller, and stop when the caller is gone.

    Args:
        request: The request, its body read to the end.
        work: What to do.

    Returns:
        The work's result.

    Raises:
        HungUpError: The caller hung up; the work was cancelled.
    """
    working = asyncio.ensure_future(work)
    listening = asyncio.ensure_future(_hang_up(request))
    try:
        await asyncio.wait((working, listening), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise HungUpError
        return working.result()
    finally:
        working.cancel()
        listening.cancel()
        await asyncio.wait((working, listening))


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

"""The real application without a network: a request's bytes go in as a server would hand them over."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ..conftest import INFO, FakeEngine, Settings, create_app

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from .corpus import Case

# More than any answer may take, and so much more than one does that a busy machine does not matter.
SECONDS = 10
_READY = 204


@dataclass
class Answer:
    """What came back.

    Attributes:
        status: HTTP status.
        body: As sent.
        seconds: How long it took.
    """

    status: int = 0
    body: bytes = b""
    seconds: float = field(default=0.0, compare=False)


class Service:
    """The application over the deterministic engine, with an event loop of its own; a context manager."""

    def __init__(self, **settings) -> None:
        self.engine = FakeEngine()
        # Smaller limits than usual, so that what passes them is cheap and what does not needs no large bodies.
        limits = {"max_pixels": 1_000_000, "max_body_bytes": 8_000_000, "request_timeout": SECONDS / 2}
        self.app = create_app([(INFO, lambda: self.engine)], Settings(**limits | settings))
        self._loop = asyncio.new_event_loop()
        self._to_app: asyncio.Queue[dict] = asyncio.Queue()
        self._lifespan: asyncio.Task | None = None

    def __enter__(self) -> Service:
        self._run(self._start())
        ready = _scope("GET", b"/.well-known/ready", ())
        while self._run(self._call(ready, b"")).status != _READY:
            time.sleep(0.005)
        return self

    def __exit__(self, *_) -> None:
        self._to_app.put_nowait({"type": "lifespan.shutdown"})
        self._run(self._lifespan)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def ask(self, case: Case) -> Answer:
        """Send one request and wait for its answer.

        Raises:
            TimeoutError: There is none in time.
            Exception: Whatever the application let out.
        """
        return self._run(self._answer(case))

    def ask_together(self, cases: Sequence[Case]) -> list[Answer]:
        """Send requests at the same time; see `ask`."""

        async def gathered():
            return await asyncio.gather(*(self._answer(case) for case in cases))

        return self._run(gathered())

    def ask_and_watch(self, case: Case) -> tuple[Answer, float]:
        """Send one request, and tell for how many seconds at a stretch nothing else could be answered meanwhile."""

        async def watched():
            answering = asyncio.ensure_future(self._answer(case))
            longest, last = 0.0, time.perf_counter()
            while not answering.done():
                await asyncio.sleep(0.01)
                now = time.perf_counter()
                longest, last = max(longest, now - last), now
            return await answering, longest

        return self._run(watched())

    def _run(self, work: Awaitable):
        return self._loop.run_until_complete(asyncio.wait_for(work, SECONDS))

    async def _start(self) -> None:
        started = asyncio.Event()

        async def send(message):
            assert message["type"] in ("lifespan.startup.complete", "lifespan.shutdown.complete"), message
            started.set()

        self._to_app.put_nowait({"type": "lifespan.startup"})
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._lifespan = asyncio.ensure_future(self.app(scope, self._to_app.get, send))
        await started.wait()

    async def _answer(self, case: Case) -> Answer:
        # The engine notes everything that it sees, which would look like a leak.
        self.engine.batches.clear()
        start = time.perf_counter()
        answer = await self._call(_scope(case.method, case.target, case.headers), case.body)
        answer.seconds = time.perf_counter() - start
        return answer

    async def _call(self, scope: dict, body: bytes) -> Answer:
        answer = Answer()
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive():
            if messages:
                return messages.pop()
            # The caller stays on the line.
            return await asyncio.Event().wait()

        async def send(message):
            if message["type"] == "http.response.start":
                answer.status = message["status"]
            else:
                answer.body += message.get("body", b"")

        await self.app(scope, receive, send)
        return answer


def _scope(method: str, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> dict:
    path, _, query = target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path.decode("ascii")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 9000),
        "state": {},
    }

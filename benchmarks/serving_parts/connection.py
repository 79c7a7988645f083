"""One client of a service: a raw socket that sends a prepared request and takes the whole answer."""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import time

_HEAD_ENDS = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 "
_HEAD = (
    "POST /vectorize HTTP/1.1\r\nHost: {}:{}\r\nUser-Agent: benchmark\r\n"
    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n"
)
_CHUNK = 1 << 16
_BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE


class BrokenAnswerError(OSError):
    """The connection ended before the answer did, or the answer has no length."""


class Connection:
    """A connection that is kept from one request to the next.

    Args:
        address: Host and port.
        selector: Tells when something can be sent or read.

    Attributes:
        began: When the request in progress was begun, in seconds of `time.perf_counter`.
    """

    def __init__(self, address: tuple[str, int], selector: selectors.BaseSelector) -> None:
        self._address, self._selector = address, selector
        self.began = 0.0
        self._open()

    def begin(self, body: bytes) -> None:
        """Send a request, as much of it as the system takes at once."""
        self.began = time.perf_counter()
        self._rest = memoryview(_HEAD.format(*self._address, len(body)).encode() + body)
        self._answer = bytearray()
        self._length: int | None = None
        self._send()

    def go_on(self, events: int) -> bool | None:
        """Send and read what can be sent and read.

        Returns:
            None as long as the answer is not complete; then whether its status is 200.

        Raises:
            OSError: The connection is of no more use.
        """
        if events & selectors.EVENT_WRITE:
            self._send()
        if events & selectors.EVENT_READ:
            return self._read()
        return None

    def reopen(self) -> None:
        """Replace the connection by a new one."""
        self.close()
        self._open()

    def close(self) -> None:
        """Close the connection."""
        self._selector.unregister(self._socket)
        self._socket.close()

    def _open(self) -> None:
        self._socket = socket.create_connection(self._address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._selector.register(self._socket, selectors.EVENT_READ, self)
        self._events = selectors.EVENT_READ

    def _send(self) -> None:
        # What the system does not take now is sent when it says that it does.
        with contextlib.suppress(BlockingIOError):
            self._rest = self._rest[self._socket.send(self._rest) :]
        wanted = _BOTH if self._rest else selectors.EVENT_READ
        if wanted != self._events:
            self._selector.modify(self._socket, wanted, self)
            self._events = wanted

    def _read(self) -> bool | None:
        chunk = self._socket.recv(_CHUNK)
        if not chunk:
            raise BrokenAnswerError("the connection ended before the answer did")
        self._answer += chunk
        if self._length is None:
            end = self._answer.find(_HEAD_ENDS)
            if end < 0:
                return None
            length = _LENGTH.search(self._answer, 0, end)
            if length is None:
                raise BrokenAnswerError("the answer has no length")
            self._length = end + len(_HEAD_ENDS) + int(length[1])
        return self._answer.startswith(_OK) if len(self._answer) >= self._length else None

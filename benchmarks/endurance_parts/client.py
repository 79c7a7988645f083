"""One client: sends a request, takes the answer, and opens its connection anew where the service closed it."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from serving_parts.connection import Connection

if TYPE_CHECKING:
    from endurance_parts.mix import Request

_HEAD_ENDS = b"\r\n\r\n"
_CLOSES = re.compile(rb"\r\nconnection:\s*close\r\n", re.IGNORECASE)
_STATUS = slice(9, 12)


class Client(Connection):
    """A connection that knows what it asked for.

    Attributes:
        request: The request in progress.
    """

    request: Request

    def ask(self, request: Request) -> None:
        """Send a request.

        Raises:
            OSError: The connection is of no more use.
        """
        self.request = request
        self.begin(request.body)

    def answer(self) -> tuple[int, bytes]:
        """Give the status and the content of the complete answer; a connection that ends with it is opened anew."""
        answer = bytes(self._answer)
        head, _, content = answer.partition(_HEAD_ENDS)
        if _CLOSES.search(head + b"\r\n"):
            self.reopen()
        return int(answer[_STATUS]), content

    def waited(self) -> float:
        """Tell for how many seconds the request has been under way."""
        return time.perf_counter() - self.began

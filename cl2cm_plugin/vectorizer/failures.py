"""Why a request is refused: one class for each HTTP status, the message is for the caller."""

from __future__ import annotations

from typing import ClassVar


class RequestError(Exception):
    """A request that gets no vectors; the message is one sentence without internals."""

    status: ClassVar[int] = 500


class InvalidRequestError(RequestError):
    """The body is not what the contract asks for."""

    status = 400


class WrongModelError(RequestError):
    """The collection was made with another model than the one that is served."""

    status = 409


class TooLargeError(RequestError):
    """The body, or something in it, is over a limit."""

    status = 413


class UnusableItemError(RequestError):
    """One item cannot be turned into a vector."""

    status = 422


class ModelFailedError(RequestError):
    """The model broke on an item, which is our fault."""

    status = 500


class UnavailableError(RequestError):
    """No vectors now, but perhaps later."""

    status = 503

    def __init__(self, reason: str) -> None:
        super().__init__(f"failed with status: 503 error: {reason}")

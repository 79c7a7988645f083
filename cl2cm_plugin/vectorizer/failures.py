"""Why a request is refused: one class for each HTTP status, the message is for the caller."""

from __future__ import annotations

from typing import ClassVar

_LONGEST_QUOTE = 200


class RequestError(Exception):
    """A request that gets no vectors; the message is one sentence without internals.

    Attributes:
        status: HTTP status of the answer.
        reason: The same in a word or two, for meters.
        headers: HTTP headers that the status needs.
    """

    status: ClassVar[int] = 500
    reason: ClassVar[str] = "failed"

    def __init__(self, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = headers or {}


class InvalidRequestError(RequestError):
    """The body is not what the contract asks for."""

    status = 400
    reason = "invalid"


class UnauthorisedError(RequestError):
    """The caller shows no token, or a wrong one."""

    status = 401
    reason = "unauthorised"


class NotFoundError(RequestError):
    """There is nothing at this path."""

    status = 404
    reason = "not_found"


class MethodError(RequestError):
    """What is at this path takes another method."""

    status = 405
    reason = "method"


class WrongModelError(RequestError):
    """The collection was made with another model than the ones that are served."""

    status = 409
    reason = "wrong_model"


class TooLargeError(RequestError):
    """The body, or something in it, is over a limit."""

    status = 413
    reason = "too_large"


class UnusableItemError(RequestError):
    """One item cannot be turned into a vector."""

    status = 422
    reason = "unusable_item"


class ModelFailedError(RequestError):
    """The model broke on an item, which is our fault."""

    status = 500
    reason = "model_failed"


class UnavailableError(RequestError):
    """No vectors now, but perhaps later."""

    status = 503
    reason = "unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"failed with status: 503 error: {reason}")


def shortened(text: str, longest: int = _LONGEST_QUOTE) -> str:
    """Cut what a caller wrote to what may stand in a sentence: to ``longest`` characters, and a sign that it was."""
    return text if len(text) <= longest else f"{text[:longest]}..."

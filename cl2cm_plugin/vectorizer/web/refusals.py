"""Refusals that no contract has worded: a sentence in the form that whoever asks at such a path can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from cl2cm_plugin.vectorizer.contracts.catalogue import SHARED, endpoint_at
from cl2cm_plugin.vectorizer.failures import MethodError, NotFoundError, RequestError, shortened
from cl2cm_plugin.vectorizer.web.address import PREFIXES, Address
from cl2cm_plugin.vectorizer.web.answers import Answer
from cl2cm_plugin.vectorizer.web.paths import LIVE, META, METRICS, OPENAPI, READY

if TYPE_CHECKING:
    from collections.abc import Sequence

_BROKEN = "internal error; the vectorizer's log says why"
SERVED = (
    f"{', '.join(map(str, SHARED))}, GET {META}, GET {METRICS}, GET {OPENAPI}, GET {READY} and GET {LIVE}; "
    f"before a path may stand {PREFIXES}"
)


def worded(failure: Exception) -> tuple[str, int]:
    """Put a failure into a sentence for the caller, and an HTTP status; what is no `RequestError` is our fault."""
    return (str(failure), failure.status) if isinstance(failure, RequestError) else (_BROKEN, RequestError.status)


def refusal(address: Address, failure: Exception) -> Answer:
    """Answer a request that is refused before any contract has read it.

    Args:
        address: What was asked.
        failure: Why it is refused.

    Returns:
        JSON with a sentence.
    """
    message, status = worded(failure)
    endpoint = endpoint_at(address.path, address.contract)
    body = endpoint.usual.failure(message, status) if endpoint else orjson.dumps({"error": message})
    headers = failure.headers if isinstance(failure, RequestError) else None
    return Answer(Response(body, status, headers, media_type="application/json"), failure=failure)


def not_found(method: str, path: str) -> NotFoundError:
    """Say that there is nothing at a path."""
    return NotFoundError(f"{method} {shortened(path)}: not found; this vectorizer answers {SERVED}")


def not_with(method: str, path: str, allowed: Sequence[str]) -> MethodError:
    """Say that what is at a path takes another method."""
    message = f"{method} {shortened(path)}: method not allowed; this vectorizer answers {SERVED}"
    return MethodError(message, {"Allow": ", ".join(allowed)})

"""What Weaviate's messages about a failed vectorization mean.

The server copies the vectorizer's status and sentence into its own message (``fail with status 409: ...``), or reports
how the connection failed; with several vectors the messages of all are joined.
"""

from __future__ import annotations

import re
from enum import Enum

from weaviate.exceptions import WeaviateBaseError, WeaviateConnectionError, WeaviateTimeoutError

from cl2cm_plugin.collections.vectorizer_address import ModelMismatch
from cl2cm_plugin.errors import UserError

TRANSIENT_STATUSES = {429, 502, 503, 504}
_STATUS = re.compile(r"fail(?:ed)? with status:? (\d{3})")
_CONNECTION = re.compile(
    r"connection refused|connection reset|broken pipe|\bEOF\b|no such host|server misbehaving|no route to host"
    r"|network is unreachable|i/o timeout|deadline exceeded|Client\.Timeout|DEADLINE_EXCEEDED|UNAVAILABLE"
    r"|server closed idle connection",
    re.IGNORECASE,
)
_REPLY = re.compile(r"fail(?:ed)? with status:? \d{3}:? ?(.+?)(?:\\n|\n|$)")
_POST = re.compile(r"Post \"[^\"]*\": (.+?)(?:\\n|\n|$)")
_GRPC = re.compile(r"details = \"(?:.*last error: (?:[A-Z_]+: )?)?(.+?)\"")


class Failure(Enum):
    """Why an object or a query failed."""

    OTHER_MODEL = "the vectorizer serves another model than the one that made the collection"
    NO_VECTORIZER = "the address belongs to something else than a cl2cm vectorizer"
    TRANSIENT = "the vectorizer is away or busy; the same request may succeed later"
    SERVER_AWAY = "the server is away; the same request may succeed later"
    REFUSED = "this object is refused, however often it is sent"
    UNCLEAR = "one of several objects is refused, and nobody says which"


def classify(message: str) -> Failure:
    """Read one message of the server.

    Args:
        message: The text of an import error or of a query's exception.

    Returns:
        What it means. A status that the vectorizer gave outweighs words in its sentence: a picture with an
        ``unexpected EOF`` in it is refused, not retried.
    """
    statuses = {int(status) for status in _STATUS.findall(message)}
    if 409 in statuses:
        return Failure.OTHER_MODEL
    if 404 in statuses:
        return Failure.NO_VECTORIZER
    if statuses - TRANSIENT_STATUSES:
        return Failure.REFUSED
    if statuses or _CONNECTION.search(message):
        return Failure.TRANSIENT
    return Failure.REFUSED


def classify_exception(error: WeaviateBaseError) -> Failure:
    """Read an exception that the client raises when a whole request fails.

    Args:
        error: The exception.

    Returns:
        What it means.
    """
    if isinstance(error, WeaviateConnectionError | WeaviateTimeoutError) or "UNAVAILABLE" in str(error):
        return Failure.SERVER_AWAY
    return classify(str(error))


def short(message: str) -> str:
    """Cut a server's message down to the vectorizer's own sentence, or to why the connection failed.

    Args:
        message: The text of an import error or of a query's exception.

    Returns:
        One line without a full stop.
    """
    found = _REPLY.search(message) or _POST.search(message) or _GRPC.search(message)
    sentence = found.group(1) if found else message
    return " ".join(sentence.split()).rstrip(".")


def vectorizer_error(kind: Failure, name: str, base: str, identity: str, message: str) -> UserError:
    """Say what is wrong with a collection's vectorizer.

    Args:
        kind: What :func:`classify` found.
        name: The collection's name.
        base: The vectorizer's address, as the server reaches it.
        identity: The model that made the collection.
        message: The server's message.

    Returns:
        The error to raise.
    """
    if kind is Failure.OTHER_MODEL:
        return ModelMismatch(
            f"The collection {name} was made with the model {identity}, but the vectorizer at {base} serves another "
            f"({short(message)}). Serve {identity} there, or import the pictures into a new collection."
        )
    if kind is Failure.NO_VECTORIZER:
        return UserError(f"What answers at {base} is no cl2cm vectorizer. Serve {identity} there with `cl2cm serve`.")
    return UserError(
        f"The vectorizer at {base}, which the collection {name} needs, does not answer Weaviate "
        f"({short(message)}). Serve {identity} there with `cl2cm serve`, and try again."
    )

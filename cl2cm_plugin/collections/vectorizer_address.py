"""Which model a vectorizer serves, and the address that ties a collection to that model."""

from __future__ import annotations

from dataclasses import dataclass, fields
from urllib.parse import quote, unquote, urlsplit

import httpx

from cl2cm_plugin.encoder.model_info import ModelInfo
from cl2cm_plugin.errors import UserError

META_TIMEOUT = 5.0  # seconds; /meta is a constant, so a longer silence means that nobody is there
_MODEL_PREFIX = "/m/"


class ModelMismatch(UserError):  # noqa: N818 - says what is the case
    """A collection was made with one model, and another is about to write to it or search it."""


@dataclass(frozen=True)
class BoundAddress:
    """A vectorizer's address as a collection keeps it.

    Attributes:
        base: Scheme, host, port and path before the model, for example ``http://127.0.0.1:9000``.
        identity: ``name@fingerprint`` of the model that made the collection's vectors.
    """

    base: str
    identity: str

    def __str__(self) -> str:
        return f"{self.base}{_MODEL_PREFIX}{quote(self.identity, safe='@')}"

    @classmethod
    def parse(cls, url: str) -> BoundAddress | None:
        """Take an address apart.

        Args:
            url: The ``inferenceUrl`` of a collection's vector.

        Returns:
            Its parts, or None when the address names no model.
        """
        base, found, identity = url.rpartition(_MODEL_PREFIX)
        return cls(base, unquote(identity)) if found and identity else None


def checked(url: str) -> str:
    """Check a vectorizer's address.

    Args:
        url: An ``http`` or ``https`` address.

    Returns:
        The address without a slash at its end: Weaviate appends its own.

    Raises:
        UserError: It is no such address.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise UserError(f"{url!r} is no address of a vectorizer: write it like http://127.0.0.1:9000.")
    return url.rstrip("/")


def model_served_at(url: str) -> ModelInfo:
    """Ask a vectorizer which model it serves.

    Args:
        url: The vectorizer's address.

    Returns:
        The served model's name, fingerprint, dimensions and languages.

    Raises:
        UserError: Nobody answers there, or something else than a cl2cm vectorizer does.
    """
    url = checked(url)
    try:
        answer = httpx.get(f"{url}/meta", timeout=META_TIMEOUT)
    except httpx.HTTPError as error:
        raise UserError(
            f"No vectorizer answers at {url} ({_reason(error)}). Start one with `cl2cm serve MODEL`, or name the "
            "right address with --vectorizer or the environment variable CL2CM_VECTORIZER."
        ) from None
    info = _model_info(answer)
    if info is None:
        raise UserError(
            f"{url} answers, but is no cl2cm vectorizer: its /meta (status {answer.status_code}) names no model with "
            "name, fingerprint and dimensions. Start one with `cl2cm serve MODEL`."
        )
    return info


def _model_info(answer: httpx.Response) -> ModelInfo | None:
    try:
        values = answer.raise_for_status().json()
        return ModelInfo(**{field.name: values[field.name] for field in fields(ModelInfo) if field.name in values})
    except (httpx.HTTPError, ValueError, TypeError):
        return None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__

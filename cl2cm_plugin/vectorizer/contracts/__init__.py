"""The HTTP contracts of Weaviate's modules, one file each: a contract knows nothing of batching or of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from cl2cm_plugin.vectorizer.items import Asked
    from cl2cm_plugin.vectorizer.settings import Settings


class Contract(Protocol):
    """How one Weaviate module asks for vectors.

    Attributes:
        name: The module's name.
        path: Where it posts to.
        takes: What a request holds, in words: ``texts or images``.
        schema: JSON schema of the request, for the API's own description.
    """

    name: ClassVar[str]
    path: ClassVar[str]
    takes: ClassVar[str]
    schema: ClassVar[dict[str, Any]]

    def matches(self, request: dict[str, Any]) -> bool:
        """Tell, where several contracts share a path, whether a request is of this one.

        Args:
            request: The request's body.

        Returns:
            Whether it is, if no contract before this one claims it.
        """
        return True

    def parse(self, request: dict[str, Any], settings: Settings) -> Asked:
        """Take a request apart.

        Args:
            request: The request's body; unknown keys do not matter.
            settings: The limits.

        Returns:
            What is asked for.

        Raises:
            RequestError: The body is not what the module sends, or over a limit.
        """

    def answer(self, request: dict[str, Any], vectors: Sequence[np.ndarray], model: str) -> bytes:
        """Put an answer together.

        Args:
            request: What `parse` took without complaint.
            vectors: Those that `parse` asked for, in order: float32 of shape (dimensions,).
            model: Identity of the model that made them.

        Returns:
            The body of the answer, JSON.
        """

    def failure(self, message: str, status: int) -> bytes:
        """Put a failure into the form in which the module reads it: the one key that most modules show to their users.

        Args:
            message: One sentence.
            status: The answer's HTTP status.

        Returns:
            The body of the answer, JSON.
        """
        return orjson.dumps({"error": message})

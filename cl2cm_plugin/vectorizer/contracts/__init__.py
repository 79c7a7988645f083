"""The HTTP contracts of Weaviate's modules, one file each: a contract knows nothing of batching or of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from cl2cm_plugin.vectorizer.items import Item
    from cl2cm_plugin.vectorizer.settings import Settings


class Contract(Protocol):
    """How one Weaviate module asks for vectors.

    Attributes:
        name: The module's name.
        path: Where it posts to.
        schema: JSON schema of the request, for the API's own description.
    """

    name: str
    path: str
    schema: dict[str, Any]

    def parse(self, body: bytes, settings: Settings) -> list[Item]:
        """Take a request apart.

        Args:
            body: The request's body as it came.
            settings: The limits.

        Returns:
            The items to be turned into vectors, in an order of the contract's own.

        Raises:
            RequestError: The body is not what the module sends, or over a limit.
        """

    def answer(self, items: Sequence[Item], vectors: Sequence[np.ndarray]) -> bytes:
        """Put an answer together.

        Args:
            items: As `parse` gave them.
            vectors: One for each item, float32 of shape (dimensions,).

        Returns:
            The body of the answer, JSON.
        """

    def failure(self, message: str) -> bytes:
        """Put a failure into the form in which the module reads it.

        Args:
            message: One sentence.

        Returns:
            The body of the answer, JSON.
        """

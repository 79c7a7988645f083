"""What contracts share in putting answers together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable


def dumps(answer: Any) -> bytes:
    """Write an answer as JSON; arrays become lists of numbers."""
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def detailed(message: str) -> bytes:
    """Put a failure into the form of Jina AI and Voyage AI: the key that their modules show, and everyone else's."""
    return dumps({"detail": message, "error": message})


def embedding_list(embeddings: Iterable[Any], model: str) -> dict[str, Any]:
    """Put vectors into the form of OpenAI, which Jina AI and Voyage AI share.

    Args:
        embeddings: One vector for each input, in order, in the form in which it is to be written.
        model: Identity of the model that made them.

    Returns:
        The answer. Its usage is nought: nothing is counted, for nothing is paid.
    """
    data = [{"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(embeddings)]
    return {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": 0, "total_tokens": 0}}

"""What an address may say before the path: the model it wants, and how many dimensions.

A collection keeps its address for good: with ``/m/{model}`` in it, it is safe from the vectors of another model, and
with ``/d/{dimensions}`` all its vectors are cut to the first so many dimensions and made unit vectors again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fastapi import Depends, Request

from cl2cm_plugin.vectorizer.failures import InvalidRequestError, WrongModelError
from cl2cm_plugin.vectorizer.shaping import checked_dimensions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cl2cm_plugin.encoder.model_info import ModelInfo

MODEL_PREFIX = "/m/{model}"
DIMENSIONS_PREFIX = "/d/{dimensions}"
_NUMBER = re.compile("[0-9]{1,9}")


def prefixes(info: ModelInfo) -> Iterator[tuple[str, list[Any]]]:
    """Yield every prefix, the empty one first, with the dependencies that check it."""

    async def check_model(model: str) -> None:
        if model not in (info.name, *info.identities):
            raise WrongModelError(
                f"this collection was made with model {model}, but this vectorizer serves {info.identity}; "
                "start `cl2cm serve` with the right model, or import into a new collection"
            )

    async def check_dimensions(request: Request, dimensions: str) -> None:
        dimensions_at(request, info)

    yield "", []
    yield MODEL_PREFIX, [Depends(check_model)]
    yield DIMENSIONS_PREFIX, [Depends(check_dimensions)]
    yield MODEL_PREFIX + DIMENSIONS_PREFIX, [Depends(check_model), Depends(check_dimensions)]


def dimensions_at(request: Request, info: ModelInfo) -> int:
    """Tell how long vectors are at the address of a request.

    Args:
        request: A request.
        info: What the model folder says of itself.

    Returns:
        What the address says, or all of the model's.

    Raises:
        InvalidRequestError: The address says what is no number, or one that the model does not have.
    """
    wanted = request.path_params.get("dimensions")
    if wanted is None:
        return info.dimensions
    if not _NUMBER.fullmatch(wanted):
        raise InvalidRequestError(f"/d/{wanted}: write a number of dimensions there, 1 to {info.dimensions}")
    return checked_dimensions(int(wanted), info.dimensions)

"""What a path says before the contract's own: the model it wants, how many dimensions, which contract.

A collection keeps its address for good: with ``/m/{model}`` in it, it is safe from the vectors of another model, and
with ``/d/{dimensions}`` all its vectors are cut to the first so many dimensions and made unit vectors again. With
``/c/{contract}`` a body is read by that contract alone, also where several share a path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cl2cm_plugin.vectorizer.failures import InvalidRequestError, shortened
from cl2cm_plugin.vectorizer.shaping import checked_dimensions

if TYPE_CHECKING:
    from cl2cm_plugin.encoder.model_info import ModelInfo

PREFIXES = "/m/<model>, /d/<dimensions> and /c/<contract>, in this order"
_ADDRESS = re.compile(
    r"(?:/m/(?P<model>[^/]+))?(?:/d/(?P<dimensions>[^/]+))?(?:/c/(?P<contract>[^/]+))?(?P<path>(?:/.*)?)", re.DOTALL
)
_NUMBER = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class Address:
    """A path taken apart; what it does not say is None.

    Attributes:
        path: What is left: a contract's path, or a fact's.
        model: Name or identity of a model.
        dimensions: How many, as written.
        contract: Name of a contract.
    """

    path: str
    model: str | None = None
    dimensions: str | None = None
    contract: str | None = None

    def dimensions_of(self, info: ModelInfo) -> int:
        """Tell how long the vectors of a model are at this address.

        Args:
            info: What the model says of itself.

        Returns:
            What the address says, or all of the model's.

        Raises:
            InvalidRequestError: The address says what is no number, or one that the model does not have.
        """
        if self.dimensions is None:
            return info.dimensions
        if not _NUMBER.fullmatch(self.dimensions):
            raise InvalidRequestError(
                f"/d/{shortened(self.dimensions)}: write a number of dimensions there, 1 to {info.dimensions}"
            )
        return checked_dimensions(int(self.dimensions), info.dimensions)


def address_of(path: str) -> Address:
    """Take a path apart; several slashes in a row are one, since Weaviate puts ``/vectorize`` behind any address."""
    if "//" in path:
        path = re.sub("/{2,}", "/", path)
    found = _ADDRESS.fullmatch(path)
    return Address(**found.groupdict()) if found else Address(path)

"""Vectors that were computed before, on their way into one collection."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cl2cm_plugin.collections.folder import Medium
from cl2cm_plugin.collections.schema import PICTURE, PICTURE_AND_CAPTION
from cl2cm_plugin.collections.vector_file import VectorFile
from cl2cm_plugin.collections.vectorizer_address import ModelMismatch
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy as np

    from cl2cm_plugin.collections.schema import CollectionFacts
    from cl2cm_plugin.collections.vector_file import VectorRow

_ROWS_AT_ONCE = 1000


class GivenVectors:
    """Vectors of a file for the objects of a collection. The file is read piece by piece, in its own order.

    Args:
        path: What ``cl2cm embed`` wrote.
        name: The collection's name.
        facts: How the collection was made.

    Raises:
        ModelMismatch: The vectors are those of another model than the one that made the collection.
        UserError: It is no such file, or pyarrow is not installed.
    """

    def __init__(self, path: Path, name: str, facts: CollectionFacts) -> None:
        self._file = VectorFile(path)
        self._names = facts.vectors
        check_vectors(self._file, facts.address.identity, f"The collection {name} was made with")

    def media(self) -> list[Medium]:
        """List what the file has, for objects that are made without their media."""
        return [Medium(None, file, caption) for file, caption in self._file.captions()]

    def groups(self, media: list[Medium], size: int) -> Iterator[list[Medium]]:
        """Give media their vectors, in groups and in the order of the file; those that have none come last.

        Args:
            media: What is to be imported.
            size: How many at most are a group.

        Raises:
            UserError: Not one of them has a vector in the file.
        """
        without = {medium.file: medium for medium in media}
        for rows in self._file.batches(size):
            group = [self._with_vectors(without.pop(row.file), row) for row in rows if row.file in without]
            if group:
                yield group
        if len(without) == len(media):
            example = next((file for file, _ in self._file.captions()), "nothing")
            raise UserError(
                f"None of {len(media)} pictures, the first called {media[0].file}, has a vector in {self._file.path}, "
                f"where the first is called {example}. Name the folder that was embedded, or leave --vectors out."
            )
        rest = list(without.values())
        yield from (rest[begin : begin + size] for begin in range(0, len(rest), size))

    def attached(self, media: Iterable[Medium]) -> list[Medium]:
        """Give some media their vectors."""
        known = {medium.file: medium for medium in media}
        for rows in self._file.batches(_ROWS_AT_ONCE):
            known |= {row.file: self._with_vectors(known[row.file], row) for row in rows if row.file in known}
        return list(known.values())

    def _with_vectors(self, medium: Medium, row: VectorRow) -> Medium:
        vectors = {PICTURE: row.vector}
        if PICTURE_AND_CAPTION in self._names:
            vectors |= _of_both(medium, row)
        return replace(medium, vectors=vectors, vectors_of=row.media_hash)


def check_vectors(file: VectorFile, identity: str, who: str) -> None:
    """Refuse vectors of another model.

    Args:
        file: The vectors.
        identity: The model whose vectors are wanted.
        who: The beginning of the sentence, up to that model: "The collection Photos was made with".

    Raises:
        ModelMismatch: They are another model's. One that was made by adding languages leaves pictures as they were.
    """
    if identity not in file.info.identities:
        raise ModelMismatch(
            f"{who} the model {identity}, but the vectors in {file.path} are those of {file.info.identity}; they "
            f"cannot be compared. Embed the folder with {identity}, or leave --vectors out."
        )


def _of_both(medium: Medium, row: VectorRow) -> dict[str, np.ndarray]:
    """Make the vector of picture and caption as the server makes it; none if the caption's is not known."""
    if medium.caption is None:
        return {PICTURE_AND_CAPTION: row.vector}
    if row.caption_vector is None or row.caption != medium.caption:
        return {}
    return {PICTURE_AND_CAPTION: (row.vector + row.caption_vector) / 2}

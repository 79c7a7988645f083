"""Search a collection: by text, by picture, and by both vectors and words."""

from __future__ import annotations

import base64
import io
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image
from weaviate.classes.query import MetadataQuery
from weaviate.exceptions import WeaviateQueryError

from cl2cm_plugin.collections import failures
from cl2cm_plugin.collections.pictures import UnreadablePicture, prepare
from cl2cm_plugin.collections.schema import PICTURE, collection_facts
from cl2cm_plugin.encoder.pictures import to_rgb
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weaviate.collections import Collection
    from weaviate.collections.classes.internal import QueryReturn

_NO_VECTOR = re.compile(r"does not have named vector (\S+) configured. Available named vectors \[(.*?)\]")

Target = Literal["picture", "picture_and_caption"]


def by_text(collection: Collection, query: str, *, limit: int = 10, target: Target = PICTURE) -> QueryReturn:
    """Find the pictures that a sentence describes, in any language of the model.

    Args:
        collection: A collection that :func:`~cl2cm_plugin.collections.schema.create` made.
        query: The sentence.
        limit: How many pictures at most.
        target: The named vector to compare with.

    Returns:
        weaviate-client's own result, the nearest first, with ``metadata.distance`` (cosine, 0 to 2).

    Raises:
        ModelMismatch: The vectorizer serves another model.
        UserError: The vectorizer does not answer, or the collection has no such vector.
    """
    with _clear_sentences(collection):
        return collection.query.near_text(
            query, limit=limit, target_vector=target, return_metadata=MetadataQuery(distance=True)
        )


def by_picture(
    collection: Collection, picture: Path | str | bytes | Image.Image, *, limit: int = 10, target: Target = PICTURE
) -> QueryReturn:
    """Find the pictures that look like another one.

    Args:
        collection: A collection that :func:`~cl2cm_plugin.collections.schema.create` made.
        picture: A file's path, its bytes, or an opened image.
        limit: How many pictures at most.
        target: The named vector to compare with.

    Returns:
        weaviate-client's own result, the nearest first, with ``metadata.distance`` (cosine, 0 to 2).

    Raises:
        ModelMismatch: The vectorizer serves another model.
        UserError: The picture cannot be read, the vectorizer does not answer, or the collection has no such vector.
    """
    encoded = base64.b64encode(_content(picture)).decode()
    with _clear_sentences(collection):
        return collection.query.near_image(
            encoded, limit=limit, target_vector=target, return_metadata=MetadataQuery(distance=True)
        )


def hybrid(
    collection: Collection, query: str, *, alpha: float = 0.5, limit: int = 10, target: Target = PICTURE
) -> QueryReturn:
    """Find pictures by what they show and by the words of their captions.

    Args:
        collection: A collection that :func:`~cl2cm_plugin.collections.schema.create` made.
        query: The sentence; its words count where captions are in the same language.
        alpha: 1 is vectors alone, 0 is words alone (the vectorizer is then not asked).
        limit: How many pictures at most.
        target: The named vector to compare with.

    Returns:
        weaviate-client's own result, the best first, with ``metadata.score`` (the higher the better).

    Raises:
        ModelMismatch: The vectorizer serves another model.
        UserError: ``alpha`` is not between 0 and 1, the vectorizer does not answer, or there is no such vector.
    """
    if not 0 <= alpha <= 1:
        raise UserError(f"alpha is {alpha}; it goes from 0 (words alone) to 1 (vectors alone).")
    with _clear_sentences(collection):
        return collection.query.hybrid(
            query,
            alpha=alpha,
            limit=limit,
            target_vector=target,
            query_properties=["caption"],
            return_metadata=MetadataQuery(score=True),
        )


def _content(picture: Path | str | bytes | Image.Image) -> bytes:
    if isinstance(picture, Image.Image):
        # Lossless where nothing is scaled, so that the same picture is found at distance 0.
        buffer = io.BytesIO()
        to_rgb(picture).save(buffer, "PNG")
        picture = buffer.getvalue()
    name = "the picture" if isinstance(picture, bytes) else str(picture)
    try:
        content = picture if isinstance(picture, bytes) else Path(picture).expanduser().read_bytes()
        return prepare(content)
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}.") from None
    except UnreadablePicture as error:
        raise UserError(f"Cannot search with {name}: {error}.") from None


@contextmanager
def _clear_sentences(collection: Collection) -> Iterator[None]:
    try:
        yield
    except WeaviateQueryError as error:
        explained = _explain(collection, str(error))
        if explained is None:
            raise
        raise explained from error


def _explain(collection: Collection, message: str) -> UserError | None:
    kind = failures.classify(message)
    if missing := _NO_VECTOR.search(message):
        return UserError(
            f"The collection {collection.name} has no vector {missing.group(1)}, only {missing.group(2)}. "
            "picture_and_caption is for collections that keep their pictures (--store-media); hybrid search finds "
            "captions in all."
        )
    facts = collection_facts(collection)
    if kind is failures.Failure.REFUSED:
        if "fail with status" not in message:
            return None
        return UserError(f"The vectorizer at {facts.address.base} refused the query: {failures.short(message)}.")
    return failures.vectorizer_error(kind, collection.name, facts.address.base, facts.address.identity, message)

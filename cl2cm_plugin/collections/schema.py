"""Create a collection of captioned pictures, and open one again with the model that it was made with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from weaviate.classes.config import Configure, DataType, Property, Tokenization
from weaviate.exceptions import WeaviateBaseError

from cl2cm_plugin.collections.vectorizer_address import BoundAddress, ModelMismatch, checked, model_served_at
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from weaviate import WeaviateClient
    from weaviate.collections import Collection
    from weaviate.collections.classes.config_vectors import _VectorConfigCreate

    from cl2cm_plugin.encoder.model_info import ModelInfo

PICTURE: Final = "picture"
PICTURE_AND_CAPTION: Final = "picture_and_caption"
MODULE = "multi2vec-clip"
# `blobHash` came with this version.
_FIRST_WITH_HASHES = (1, 37)
# Written without spaces between words, so that only pieces of three characters can be looked up.
_UNSPACED = {"ja", "km", "lo", "my", "th", "zh"}
_NAME = re.compile(r"[A-Z][_0-9A-Za-z]{0,230}")


@dataclass(frozen=True)
class CollectionFacts:
    """What a collection keeps about how it was made.

    Attributes:
        address: The vectorizer's address with the model's identity.
        caption_language: The language of its captions, for example ``en``.
        store_media: Whether it keeps the pictures, not only their hashes.
    """

    address: BoundAddress
    caption_language: str
    store_media: bool

    @property
    def vectors(self) -> list[str]:
        """The names of every object's vectors."""
        return [PICTURE, PICTURE_AND_CAPTION] if self.store_media else [PICTURE]


def create(
    client: WeaviateClient,
    name: str,
    vectorizer_url: str,
    *,
    caption_language: str = "en",
    store_media: bool = False,
    address_for_server: str | None = None,
) -> Collection:
    """Create an empty collection for the model that a vectorizer serves.

    Every object has ``file``, ``media_hash``, ``image`` and, where there is one, ``caption``. The named vector
    ``picture`` is that of the image. With ``store_media`` there is also ``picture_and_caption``, the plain mean of the
    image's and the caption's vectors (an image without a caption stands alone): the server refuses to mix a picture
    that it does not keep with another field, since it could not make the vector again when the caption changes.
    Captions are found by ``hybrid`` search either way.

    The model's identity is part of the address that the server calls, so a vectorizer that serves another model
    refuses (HTTP 409) whoever asks, native clients too. Weaviate can never change that address: give one that stays,
    such as a service's name, not a port that changes with each start.

    Args:
        client: A connected client.
        name: A capital letter, then letters, digits and underscores.
        vectorizer_url: The vectorizer's address.
        caption_language: The language of the captions that will be imported, for example ``en``.
        store_media: Keep the pictures in the collection; otherwise only a hash of each.
        address_for_server: The vectorizer's address as the Weaviate server reaches it, when that is another than
            ``vectorizer_url`` (a container's network).

    Returns:
        The native collection.

    Raises:
        UserError: The name is not allowed or taken, no vectorizer answers, or the server lacks the module or
            (without ``store_media``) is too old.
    """
    check_name(name)
    model = model_served_at(vectorizer_url)
    _check_server(client, store_media=store_media)
    if client.collections.exists(name):
        raise UserError(f"There is already a collection {name}; open it, delete it, or choose another name.")
    address = BoundAddress(checked(address_for_server or vectorizer_url), model.identity)
    tokenization = Tokenization.TRIGRAM if caption_language in _UNSPACED else Tokenization.WORD
    try:
        return client.collections.create(
            name,
            description=f"Pictures; vectors of the model {model.identity}; captions in {caption_language}.",
            properties=_properties(tokenization, store_media=store_media),
            vector_config=_vectors(str(address), store_media=store_media),
        )
    except WeaviateBaseError as error:
        raise UserError(f"Weaviate did not create the collection {name}: {error}") from error


def _properties(tokenization: Tokenization, *, store_media: bool) -> list[Property]:
    exact, image = Tokenization.FIELD, DataType.BLOB if store_media else DataType.BLOB_HASH
    return [
        Property(name="caption", data_type=DataType.TEXT, tokenization=tokenization, description="One a line."),
        Property(name="file", data_type=DataType.TEXT, tokenization=exact, description="Path in the folder imported."),
        Property(name="image", data_type=image),
        Property(name="media_hash", data_type=DataType.TEXT, tokenization=exact, description="SHA-256 of the file."),
    ]


def _vectors(address: str, *, store_media: bool) -> list[_VectorConfigCreate]:
    # No weights: the server pairs them with fields by position, and an absent field shifts them. Fields stay in
    # alphabetical order, which is the server's own.
    vectors = [Configure.Vectors.multi2vec_clip(name=PICTURE, image_fields=["image"], inference_url=address)]
    if store_media:
        vectors.append(
            Configure.Vectors.multi2vec_clip(
                name=PICTURE_AND_CAPTION, image_fields=["image"], text_fields=["caption"], inference_url=address
            )
        )
    return vectors


def open_collection(
    client: WeaviateClient, name: str, vectorizer_url: str, *, address_for_server: str | None = None
) -> Collection:
    """Open a collection with the model that it was made with.

    Args:
        client: A connected client.
        name: The collection's name.
        vectorizer_url: The vectorizer's address.
        address_for_server: As in :func:`create`.

    Returns:
        The native collection.

    Raises:
        ModelMismatch: The vectorizer serves another model than the one that made the collection.
        UserError: There is no such collection, it was not made by :func:`create`, no vectorizer answers, or the
            collection calls a vectorizer at another address.
    """
    check_name(name)
    if not client.collections.exists(name):
        names = ", ".join(sorted(client.collections.list_all())) or "none"
        raise UserError(f"There is no collection {name} (there are: {names}). `cl2cm import` makes one.")
    collection = client.collections.use(name)
    facts = collection_facts(collection)
    model = model_served_at(vectorizer_url)
    check_model(name, facts, model, vectorizer_url)
    if facts.address.base != checked(address_for_server or vectorizer_url):
        raise UserError(
            f"The collection {name} calls its vectorizer at {facts.address.base}, not at "
            f"{address_for_server or vectorizer_url}, and Weaviate cannot change that. Serve the model at "
            f"{facts.address.base}, or import into a new collection with an address that stays."
        )
    return collection


def check_model(name: str, facts: CollectionFacts, model: ModelInfo, vectorizer_url: str) -> None:
    """Refuse a vectorizer that serves another model, unless that one adds languages to the collection's own.

    Raises:
        ModelMismatch: The message names both models and what to do.
    """
    if facts.address.identity not in model.identities:
        raise ModelMismatch(
            f"The collection {name} was made with the model {facts.address.identity}, but the vectorizer at "
            f"{vectorizer_url} serves {model.identity}; their vectors cannot be compared. Serve "
            f"{facts.address.identity} there, or import the pictures into a new collection."
        )


def collection_facts(collection: Collection) -> CollectionFacts:
    """Read what a collection keeps about how it was made.

    Args:
        collection: A native collection.

    Returns:
        The vectorizer's address, the model's identity, the captions' language, and whether pictures are kept.

    Raises:
        UserError: It was not made by :func:`create`.
    """
    config = collection.config.get()
    vector = (config.vector_config or {}).get(PICTURE)
    address = BoundAddress.parse(str(vector.vectorizer.model.get("inferenceUrl", ""))) if vector else None
    if address is None:
        raise UserError(
            f"The collection {collection.name} was not made by cl2cm: it has no vector {PICTURE!r} with a model in "
            "its address. Choose another name, and `cl2cm import` makes a collection."
        )
    language = re.search(r"captions in (\S+)\.", config.description or "")
    media = {prop.name: prop.data_type for prop in config.properties}
    return CollectionFacts(
        address=address,
        caption_language=language.group(1) if language else "en",
        store_media=media.get("image") == DataType.BLOB,
    )


def check_name(name: str) -> None:
    """Check a collection's name.

    Raises:
        UserError: Weaviate would refuse or silently change it.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is no name for a collection: Weaviate wants a capital letter first, then letters (a to z), "
            "digits and underscores, for example Photos."
        )


def _check_server(client: WeaviateClient, *, store_media: bool) -> None:
    meta = client.get_meta()
    if MODULE not in meta.get("modules", {}):
        raise UserError(
            f"This Weaviate server lacks the module {MODULE}: start it with ENABLE_MODULES={MODULE} and "
            "CLIP_INFERENCE_API set to the vectorizer's address."
        )
    version = str(meta.get("version", ""))
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < _FIRST_WITH_HASHES and not store_media:
        wanted = ".".join(map(str, _FIRST_WITH_HASHES))
        raise UserError(
            f"This Weaviate server is version {version}; keeping only a picture's hash needs {wanted}. Update it, or "
            "keep the pictures with --store-media (store_media=True)."
        )

"""A vectorizer that wants a token, behind a real server: Weaviate shows what stands in the address."""

from __future__ import annotations

import pytest
from colour_vectorizer import colour_vectorizer
from stand_in import COLOURS
from weaviate.classes.config import Configure, DataType, Property
from weaviate.exceptions import WeaviateInsertManyAllFailedError

from cl2cm_plugin import collections

TOKEN = "s3cret-token"
FIRST, SECOND = list(COLOURS)[:2]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def url():
    with colour_vectorizer(TOKEN) as url:
        yield url


@pytest.fixture
def collection_at(client):
    """Makes a collection whose vectorizer has an address; it is deleted afterwards."""

    def create(address):
        return client.collections.create(
            "Guarded",
            properties=[Property(name="caption", data_type=DataType.TEXT)],
            vector_config=Configure.Vectors.multi2vec_clip(text_fields=["caption"], inference_url=address),
        )

    yield create
    client.collections.delete("Guarded")


def test_the_token_in_the_address_lets_weaviate_in(collection_at, url):
    collection = collection_at(url.replace("http://", f"http://weaviate:{TOKEN}@"))

    assert not collection.data.insert_many([{"caption": FIRST}, {"caption": SECOND}]).errors
    found = collection.query.near_text(FIRST, limit=1).objects
    assert [one.properties["caption"] for one in found] == [FIRST]


@pytest.mark.parametrize("user", ["", "weaviate:wrong@"])
def test_without_it_an_import_says_what_is_missing(user, collection_at, url):
    collection = collection_at(url.replace("http://", f"http://{user}"))

    with pytest.raises(WeaviateInsertManyAllFailedError, match="this vectorizer wants a token") as failure:
        collection.data.insert_many([{"caption": FIRST}])
    assert TOKEN not in str(failure.value)


def test_our_own_collections_take_such_an_address(client, url, collection_at):
    # Making it asks the vectorizer for its model.
    collection = collections.create(client, "Guarded", url.replace("http://", f"http://any:{TOKEN}@"))

    assert TOKEN in str(collection.config.get().to_dict())

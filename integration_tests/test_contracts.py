"""Every module of a real Weaviate server that the vectorizer can stand behind, one collection each."""

from __future__ import annotations

import base64
import io
from functools import partial
from uuid import uuid4

import numpy as np
import pytest
from colour_vectorizer import DIMENSIONS, INFO, colour_vectorizer
from PIL import Image
from stand_in import COLOURS, text_vector
from weaviate.classes.config import Configure, DataType, Property
from weaviate.classes.query import NearMediaType
from weaviate.exceptions import UnexpectedStatusCodeError, WeaviateQueryError

from cl2cm_plugin import collections
from cl2cm_plugin.collections import server_process

pytestmark = pytest.mark.timeout(300)

CAPTIONS = {name: f"a {name}" for name in COLOURS}
TEXT_FIELDS = {"source_properties": ["caption"], "vectorize_collection_name": False}
MEDIA_FIELDS = {"text_fields": ["caption"], "image_fields": ["image"]}
VECTORS = Configure.Vectors
# How a user would configure each module for a vectorizer at an address; those without one have it from the server's
# environment.
TEXT_MODULES = {
    "text2vec-transformers": lambda url: VECTORS.text2vec_transformers(inference_url=url, **TEXT_FIELDS),
    "text2vec-model2vec": lambda url: VECTORS.text2vec_model2vec(inference_url=url, **TEXT_FIELDS),
    "text2vec-ollama": lambda url: VECTORS.text2vec_ollama(api_endpoint=url, model="colours", **TEXT_FIELDS),
    "text2vec-huggingface": lambda url: VECTORS.text2vec_huggingface(endpoint_url=f"{url}/huggingface", **TEXT_FIELDS),
    "text2vec-openai": lambda url: VECTORS.text2vec_openai(base_url=url, model="colours", **TEXT_FIELDS),
}
MEDIA_MODULES = {
    "multi2vec-clip": lambda url: VECTORS.multi2vec_clip(inference_url=url, **MEDIA_FIELDS),
    "multi2vec-bind": lambda _: VECTORS.multi2vec_bind(video_fields=["video"], **MEDIA_FIELDS),
    "multi2vec-voyageai": lambda url: VECTORS.multi2vec_voyageai(base_url=url, video_fields=["video"], **MEDIA_FIELDS),
    "multi2vec-jinaai": lambda url: VECTORS.multi2vec_jinaai(base_url=url, **MEDIA_FIELDS),
}
VIDEO_MODULES = ["multi2vec-bind", "multi2vec-voyageai"]
# For a batch the server downloads OpenAI's tokenizer, to count, and breaks where it cannot.
ONE_BY_ONE = "text2vec-openai"
# Some with their contract in the address, some told apart by what they send.
ENVIRONMENT = {
    "BIND_INFERENCE_API": "{}/c/multi2vec-bind",
    "IMAGE_INFERENCE_API": "{}",
    "MODEL2VEC_INFERENCE_API": "{}",
    "TRANSFORMERS_INFERENCE_API": "{}/c/text2vec-transformers",
}
KEYS = ("JINAAI_APIKEY", "OPENAI_APIKEY", "VOYAGEAI_APIKEY")


@pytest.fixture(scope="module")
def url():
    with colour_vectorizer() as url:
        yield url


@pytest.fixture(scope="module")
def client(url, tmp_path_factory):
    """A client of a server with all modules."""
    modules = ["img2vec-neural", *TEXT_MODULES, *MEDIA_MODULES]
    variables = {"ENABLE_MODULES": ",".join(modules)} | dict.fromkeys(KEYS, "none needed")
    variables |= {name: address.format(url) for name, address in ENVIRONMENT.items()}
    usual = server_process.environment
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WEAVIATE_URL", raising=False)
        patch.setattr(server_process, "environment", lambda *given: usual(*given) | variables)
        with collections.connect(url, data=tmp_path_factory.mktemp("weaviate-contracts")) as connected:
            yield connected


@pytest.fixture
def collection_of(client):
    """Makes a collection with one vector; it is deleted afterwards."""
    name = f"Contract_{uuid4().hex[:8]}"
    kinds = {"caption": DataType.TEXT, "image": DataType.BLOB, "video": DataType.BLOB}
    properties = [Property(name=field, data_type=kind) for field, kind in kinds.items()]
    yield partial(client.collections.create, name, properties=properties)
    client.collections.delete(name)


def picture(colour):
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def film(colour):
    av = pytest.importorskip("av")
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        track = container.add_stream("libx264", rate=8)
        track.width, track.height, track.pix_fmt = 64, 64, "yuv420p"
        for _ in range(10):
            container.mux(track.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 64), colour))))
        container.mux(track.encode())
    return base64.b64encode(stream.getvalue()).decode()


def fill(collection, objects, module=""):
    if module == ONE_BY_ONE:
        for one in objects:
            collection.data.insert(one)
        return
    result = collection.data.insert_many(objects)
    assert not result.errors, result.errors


def captions(found):
    return [one.properties["caption"] for one in found.objects]


def vectors(collection):
    objects = collection.iterator(include_vector=True)
    return {one.properties["caption"]: one.vector["default"] for one in objects}


class TestTexts:
    @pytest.mark.parametrize("module", [*TEXT_MODULES, *MEDIA_MODULES])
    def test_texts_are_imported_and_found_in_another_language(self, collection_of, url, module):
        collection = collection_of(vector_config=(TEXT_MODULES | MEDIA_MODULES)[module](url))
        fill(collection, [{"caption": caption} for caption in CAPTIONS.values()], module)
        assert captions(collection.query.near_text("ein Hund", limit=1)) == ["a dog"]
        assert captions(collection.query.near_text("eine Katze", limit=1)) == ["a cat"]
        for caption, vector in vectors(collection).items():
            np.testing.assert_allclose(vector, text_vector(caption), atol=1e-5)

    @pytest.mark.parametrize("module", [*TEXT_MODULES, *MEDIA_MODULES])
    def test_the_vectorizers_sentence_arrives(self, collection_of, url, module):
        collection = collection_of(vector_config=(TEXT_MODULES | MEDIA_MODULES)[module](url))
        fill(collection, [{"caption": "a dog"}], module)
        sentence = "the model failed on this input; the vectorizer's log says why"
        with pytest.raises(UnexpectedStatusCodeError, match=sentence):
            collection.data.insert({"caption": "poison"})
        with pytest.raises(WeaviateQueryError, match=sentence):
            collection.query.near_text("poison", limit=1)

    @pytest.mark.parametrize("module", [*TEXT_MODULES, "multi2vec-jinaai", "multi2vec-voyageai", "multi2vec-clip"])
    def test_an_address_can_name_the_model_and_shorten_the_vectors(self, collection_of, url, module):
        address = f"{url}/m/{INFO.identity}/d/16/c/{module}"
        collection = collection_of(vector_config=(TEXT_MODULES | MEDIA_MODULES)[module](address))
        fill(collection, [{"caption": caption} for caption in CAPTIONS.values()], module)
        assert captions(collection.query.near_text("ein Hund", limit=1)) == ["a dog"]
        vector = np.array(vectors(collection)["a dog"])
        assert vector.shape == (16,)
        np.testing.assert_allclose(np.linalg.norm(vector), 1, atol=1e-5)

    @pytest.mark.parametrize("module", [*TEXT_MODULES, "multi2vec-jinaai", "multi2vec-voyageai", "multi2vec-clip"])
    def test_another_models_collection_is_refused_in_a_sentence(self, collection_of, url, module):
        address = f"{url}/m/other@fedcba9876543210"
        collection = collection_of(vector_config=(TEXT_MODULES | MEDIA_MODULES)[module](address))
        with pytest.raises(UnexpectedStatusCodeError, match=f"made with model other.* serves {INFO.identity}"):
            collection.data.insert({"caption": "a dog"})

    @pytest.mark.parametrize(
        "vector_config",
        [
            lambda url: VECTORS.text2vec_transformers(inference_url=url, dimensions=DIMENSIONS + 1, **TEXT_FIELDS),
            lambda url: VECTORS.multi2vec_jinaai(
                base_url=url, model="colours", dimensions=DIMENSIONS + 1, **MEDIA_FIELDS
            ),
            # Without a model's name this module asks for the dimensions of OpenAI's.
            lambda url: VECTORS.text2vec_openai(base_url=url, **TEXT_FIELDS),
        ],
        ids=["text2vec-transformers", "multi2vec-jinaai", "text2vec-openai"],
    )
    def test_too_many_dimensions_are_refused_in_a_sentence(self, collection_of, url, vector_config):
        collection = collection_of(vector_config=vector_config(url))
        with pytest.raises(UnexpectedStatusCodeError, match="dimensions are asked for; 1 to 64 can be had here"):
            collection.data.insert({"caption": "a dog"})


class TestMedia:
    @pytest.mark.parametrize("module", MEDIA_MODULES)
    def test_images_are_found_by_texts_and_by_images(self, collection_of, url, module):
        collection = collection_of(vector_config=MEDIA_MODULES[module](url))
        fill(collection, [{"image": picture(colour)} for colour in COLOURS.values()])
        for found in (
            collection.query.near_text("ein Hund", limit=1, return_metadata=["distance"]),
            collection.query.near_image(picture(COLOURS["dog"]), limit=1, return_metadata=["distance"]),
        ):
            assert found.objects[0].metadata.distance == pytest.approx(0, abs=1e-5)

    @pytest.mark.parametrize("module", VIDEO_MODULES)
    def test_videos_are_found_by_texts_and_by_videos(self, collection_of, url, module):
        collection = collection_of(vector_config=MEDIA_MODULES[module](url))
        files = {name: film(colour) for name, colour in COLOURS.items()}
        ids = {name: collection.data.insert({"video": file}) for name, file in files.items()}
        assert collection.query.near_text("ein Hund", limit=1).objects[0].uuid == ids["dog"]
        found = collection.query.near_media(files["sun"], NearMediaType.VIDEO, limit=1, return_metadata=["distance"])
        assert found.objects[0].uuid == ids["sun"]
        assert found.objects[0].metadata.distance == pytest.approx(0, abs=1e-5)

    @pytest.mark.parametrize("module", MEDIA_MODULES)
    def test_a_bad_image_fails_alone_with_the_vectorizers_sentence(self, collection_of, url, module):
        collection = collection_of(vector_config=MEDIA_MODULES[module](url))
        bad = base64.b64encode(b"this is no picture").decode()
        result = collection.data.insert_many([{"image": picture("red")}, {"image": bad}, {"image": picture("blue")}])
        assert list(result.errors) == [1]
        assert "this is not a picture in a known format" in result.errors[1].message
        assert collection.aggregate.over_all(total_count=True).total_count == 2

    def test_media_that_the_model_does_not_know_are_refused_in_a_sentence(self, collection_of):
        collection = collection_of(vector_config=VECTORS.multi2vec_bind(audio_fields=["video"]))
        with pytest.raises(UnexpectedStatusCodeError, match="no vectors for audio, only for texts, images and video"):
            collection.data.insert({"video": film("red")})

    def test_images_of_img2vec_neural_are_found_by_images_and_errors_show_their_status(self, collection_of):
        collection = collection_of(vector_config=VECTORS.img2vec_neural(image_fields=["image"]))
        ids = {name: collection.data.insert({"image": picture(colour)}) for name, colour in COLOURS.items()}
        found = collection.query.near_image(picture(COLOURS["cat"]), limit=1, return_metadata=["distance"])
        assert found.objects[0].uuid == ids["cat"]
        assert found.objects[0].metadata.distance == pytest.approx(0, abs=1e-5)
        # The module reads no sentence.
        with pytest.raises(UnexpectedStatusCodeError, match="fail with status 422"):
            collection.data.insert({"image": base64.b64encode(b"this is no picture").decode()})

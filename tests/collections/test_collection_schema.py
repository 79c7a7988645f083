from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest
from weaviate.classes.config import Tokenization

from cl2cm_plugin import UserError
from cl2cm_plugin.collections import ModelMismatch, schema, vectorizer_address
from cl2cm_plugin.collections.vectorizer_address import BoundAddress, checked, model_served_at
from cl2cm_plugin.encoder.model_info import ModelInfo

URL = "http://127.0.0.1:9000"
META = {"name": "cl2cm-de", "fingerprint": "0" * 16, "dimensions": 8, "engine": "torch"}


@pytest.fixture
def meta(monkeypatch):
    def answer(status=200, **options):
        request = httpx.Request("GET", f"{URL}/meta")
        monkeypatch.setattr(
            vectorizer_address.httpx, "get", lambda *_, **__: httpx.Response(status, request=request, **options)
        )

    return answer


def test_the_model_is_read_and_unknown_facts_are_left_out(meta):
    meta(json=META)
    assert model_served_at(URL).identity == "cl2cm-de@0000000000000000"


@pytest.mark.parametrize("options", [{"json": {"model": "x"}}, {"text": "hello"}, {"json": []}, {"status": 404}])
def test_something_else_than_a_vectorizer_is_one_clear_sentence(meta, options):
    meta(**options)
    with pytest.raises(UserError, match=f"{URL} answers, but is no cl2cm vectorizer"):
        model_served_at(URL)


def test_nobody_there_is_one_clear_sentence():
    with pytest.raises(UserError, match=r"No vectorizer answers at http://127\.0\.0\.1:1 .*cl2cm serve MODEL"):
        model_served_at("http://127.0.0.1:1")


@pytest.mark.parametrize("url", ["127.0.0.1:9000", "http://", "ftp://h", "http://h:x"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(UserError, match="is no address of a vectorizer"):
        checked(url)


def test_the_identity_survives_in_the_address():
    address = BoundAddress(checked(f"{URL}/"), "my model@1")
    assert str(address) == f"{URL}/m/my%20model@1"
    assert BoundAddress.parse(str(address)) == address
    assert BoundAddress.parse(URL) is None


@pytest.mark.parametrize("name", ["photos", "", "Fotos-2", "1Photos", "Fötos"])
def test_a_name_that_weaviate_would_refuse_or_change_is_explained(name):
    with pytest.raises(UserError, match="capital letter first"):
        schema.check_name(name)


def test_another_model_is_refused_with_both_names():
    facts = schema.CollectionFacts(BoundAddress(URL, "a@1"), "en", store_media=False)
    schema.check_model("Photos", facts, ModelInfo("a", "1", 8), URL)
    with pytest.raises(ModelMismatch, match=r"Photos was made with the model a@1.*serves a@2"):
        schema.check_model("Photos", facts, ModelInfo("a", "2", 8), URL)


def test_a_model_that_adds_a_language_to_the_collections_own_is_accepted():
    facts = schema.CollectionFacts(BoundAddress(URL, "a@1"), "en", store_media=False)

    schema.check_model("Photos", facts, ModelInfo("a-cs", "2", 8, extends=["a@1"]), URL)


@pytest.mark.parametrize(
    ("meta_of_server", "sentence"),
    [
        ({"version": "1.38.11", "modules": {}}, "ENABLE_MODULES=multi2vec-clip"),
        ({"version": "1.36.2", "modules": {"multi2vec-clip": {}}}, "is version 1.36.2; .* needs 1.37.*--store-media"),
    ],
)
def test_a_server_that_cannot_do_it_is_one_clear_sentence(meta, meta_of_server, sentence):
    meta(json=META)
    client = SimpleNamespace(get_meta=lambda: meta_of_server)
    with pytest.raises(UserError, match=sentence):
        schema.create(client, "Photos", URL)


@pytest.mark.parametrize(("language", "tokenization"), [("ja", Tokenization.TRIGRAM), ("de", Tokenization.WORD)])
def test_the_traps_of_the_server_are_avoided(meta, language, tokenization):
    meta(json=META)
    made = {}
    client = SimpleNamespace(
        get_meta=lambda: {"version": "1.38.11", "modules": {"multi2vec-clip": {}}},
        collections=SimpleNamespace(exists=lambda _: False, create=lambda name, **options: made.update(options)),
    )
    schema.create(
        client, "Photos", URL, caption_language=language, store_media=True, address_for_server="http://v:9000"
    )
    assert "cl2cm-de@0000000000000000" in made["description"]
    assert made["properties"][0].tokenization == tokenization
    for vector in made["vector_config"]:
        config = vector.vectorizer._to_dict()
        assert config["inferenceUrl"] == "http://v:9000/m/cl2cm-de@0000000000000000"
        assert "weights" not in config
    assert [vector.name for vector in made["vector_config"]] == ["picture", "picture_and_caption"]

"""Good requests of every contract, into which hostile content is put."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.vectorizer.contracts.catalogue import CONTRACTS

if TYPE_CHECKING:
    from collections.abc import Callable

_CONFIG = {"pooling_strategy": "masked_mean", "task_type": "passage", "dimensions": None}
PATHS = {contract.name: contract.path for contract in CONTRACTS}


@dataclass(frozen=True)
class Form:
    """How one contract asks for the vectors of one kind of content.

    Attributes:
        contract: Its name.
        kind: ``text``, ``image`` or ``video``.
        fill: Makes the body that asks for some contents.
        label: What refusals call a content; without a place for its number the body has room for one alone.
        read: Finds the vectors in an answer.
    """

    contract: str
    kind: str
    fill: Callable[[list[Any]], dict[str, Any]]
    label: str
    read: Callable[[Any], list[Any]]

    @property
    def path(self) -> str:
        return PATHS[self.contract]

    @property
    def takes_several(self) -> bool:
        return "{" in self.label


def _jina(key):
    return lambda contents: {
        "input": [{key: one} for one in contents],
        "model": "jina-clip-v2",
        "embedding_type": "float",
        "normalized": True,
        "task": "retrieval.query",
    }


def _voyage(key):
    return lambda contents: {
        "inputs": [{"content": [{"type": key, key: one}]} for one in contents],
        "model": "voyage-multimodal-3",
        "truncation": True,
        "input_type": "document",
    }


def _embeddings(answer):
    return [one["embedding"] for one in answer["data"]]


FORMS = (
    Form("multi2vec-clip", "text", lambda c: {"texts": c}, "texts[{}]", lambda a: a["textVectors"]),
    Form("multi2vec-clip", "image", lambda c: {"images": c}, "images[{}]", lambda a: a["imageVectors"]),
    Form("multi2vec-bind", "text", lambda c: {"texts": c, "video": []}, "texts[{}]", lambda a: a["textVectors"]),
    Form("multi2vec-bind", "image", lambda c: {"images": c, "audio": []}, "images[{}]", lambda a: a["imageVectors"]),
    Form("multi2vec-bind", "video", lambda c: {"video": c, "imu": None}, "video[{}]", lambda a: a["videoVectors"]),
    Form("img2vec-neural", "image", lambda c: {"id": "a_0", "image": c[0]}, "image", lambda a: [a["vector"]]),
    *(
        form
        for name in ("text2vec-transformers", "text2vec-model2vec")
        for form in (
            Form(
                name,
                "text",
                lambda c: {"text": c[0], "dims": 0, "vector": None, "error": "", "config": _CONFIG},
                "text",
                lambda a: [a["vector"]],
            ),
            Form(name, "text", lambda c: {"texts": c, "config": _CONFIG}, "texts[{}]", lambda a: a["vectors"]),
        )
    ),
    Form("multi2vec-jinaai", "text", _jina("text"), "input[{}]", _embeddings),
    Form("multi2vec-jinaai", "image", _jina("image"), "input[{}]", _embeddings),
    Form(
        "text2vec-openai",
        "text",
        lambda c: {"input": c, "model": "text-embedding-3-small", "encoding_format": "float"},
        "input[{}]",
        _embeddings,
    ),
    Form("multi2vec-voyageai", "text", _voyage("text"), "inputs[{}].content[0]", _embeddings),
    Form("multi2vec-voyageai", "image", _voyage("image_base64"), "inputs[{}].content[0]", _embeddings),
    Form("multi2vec-voyageai", "video", _voyage("video_base64"), "inputs[{}].content[0]", _embeddings),
    Form("text2vec-ollama", "text", lambda c: {"model": "a", "input": c}, "input[{}]", lambda a: a["embeddings"]),
    Form("text2vec-huggingface", "text", lambda c: {"inputs": c, "options": {}}, "inputs[{}]", lambda a: a),
)
# Keys that mean something to some contract.
KEYS = sorted({key for contract in CONTRACTS for key in contract.schema["properties"]})


def forms_of(kind: str) -> list[Form]:
    return [form for form in FORMS if form.kind == kind]

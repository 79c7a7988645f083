"""The contract of ``text2vec-model2vec``: Weaviate asks as ``text2vec-transformers`` does, through the same client."""

from __future__ import annotations

from cl2cm_plugin.vectorizer.contracts.transformers import TransformersContract


class Model2VecContract(TransformersContract):
    """See `cl2cm_plugin.vectorizer.contracts.Contract`."""

    name = "text2vec-model2vec"

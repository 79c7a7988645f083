"""Sentences as a text backbone sees them before any training: computed once a sentence, for all runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.progress import track
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

from cl2cm_plugin.encoder.model_info import fingerprint
from trainer.digest import digest
from trainer.towers.feature_cache import FeatureCache

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SENTENCES_AT_ONCE = 512
_BATCH = 64
_SHOWN = 1024


def untrained_vectors(backbone: Path, max_tokens: int, sentences: Sequence[str]) -> np.ndarray:
    """Compute or look up what an untrained text backbone makes of sentences, in single precision.

    Args:
        backbone: A Hugging Face folder of a text backbone with its tokenizer.
        max_tokens: Sentences are cut after this many tokens.
        sentences: Sentences; repeated ones are computed once.

    Returns:
        Mean of each sentence's last states, shape (n, hidden size).
    """
    cache = FeatureCache("sentences", f"{fingerprint(backbone)}-{max_tokens}")
    keys = {sentence: digest([sentence]) for sentence in sentences}
    with cache.filling(keys.values()):
        missing = sorted((s for s, key in keys.items() if key not in cache.rows), key=lambda s: (len(s), s))
        model = _pooled(backbone, max_tokens) if missing else None
        starts = range(0, len(missing), _SENTENCES_AT_ONCE)
        for start in track(starts, f"Vectors of {len(missing)} sentences", disable=len(missing) < _SHOWN):
            part = missing[start : start + _SENTENCES_AT_ONCE]
            # As dictionaries: a plain string that names a picture file would be opened.
            inputs = [{"text": sentence} for sentence in part]
            rows = np.asarray(model.encode(inputs, batch_size=_BATCH, show_progress_bar=False)) if model else ()
            cache.add({keys[sentence]: row for sentence, row in zip(part, rows, strict=True)})
    return np.stack([cache.rows[keys[sentence]] for sentence in sentences])


def _pooled(backbone: Path, max_tokens: int) -> SentenceTransformer:
    text = Transformer(str(backbone), max_seq_length=max_tokens)
    text.tokenizer.model_max_length = max_tokens
    pooling = Pooling(text.get_embedding_dimension(), "mean")
    return SentenceTransformer(modules=[text, pooling], device="cpu")

"""Captions of a split that training learns from after all, though its pictures are not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.corpus.training_data import TrainingData


def seen_captions(corpus: CaptionedMedia, data: TrainingData, language: str, split: str) -> int:
    """Count the captions of a split whose translations are among the sentence pairs that are trained on.

    Args:
        corpus: The corpus.
        data: What is trained on.
        language: The source language.
        split: A split that training is not to see.

    Returns:
        How many, without those that captions of the trained pictures equal.
    """
    if language not in corpus.languages:
        return 0
    learned = {pair.source for pair in data.sentence_pairs} - {row.source for row in data.captioned_pictures}
    return sum(caption in learned for _, caption in corpus.captions_in(language, corpus.media_ids(split)))

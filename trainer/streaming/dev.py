"""The dev cut of a corpus in shards, and figures on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cl2cm_plugin.errors import UserError
from trainer.corpus.training_data import DevSet
from trainer.digest import digest
from trainer.evaluation.retrieval import evaluate
from trainer.streaming.items import translates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.evaluation.retrieval import Retrieval
    from trainer.recipe import Recipe

    Encode = Callable[[Sequence[str]], np.ndarray]


def dev_set(recipe: Recipe, corpus: CaptionedMedia) -> DevSet:
    """Collect what a run chooses and stops by: as many pictures as the recipe's line ``dev_pictures`` says.

    Args:
        recipe: The recipe.
        corpus: Pictures that training does not see, with their captions and the translations of those.

    Returns:
        The dev cut; its captions in target languages are translations, as in `trainer.corpus.training_data`.

    Raises:
        UserError: No caption has a translation into one of the target languages.
    """
    found, files = DevSet(), corpus.files()
    chosen = sorted(corpus.media_ids(), key=lambda media_id: digest([media_id]))[: recipe.dev_pictures]
    captions = corpus.captions_in(recipe.source_language, chosen)
    row_of = {media_id: row for row, media_id in enumerate(dict.fromkeys(media_id for media_id, _ in captions))}
    found.files.extend(files[media_id] for media_id in row_of)
    found.captions[recipe.source_language] = [(row_of[media_id], caption) for media_id, caption in captions]
    translations: dict[str, list[tuple[str, str]]] = {}
    for pair in corpus.pairs:
        if pair["source_language"] == recipe.source_language and translates(pair, recipe):
            translations.setdefault(pair["source"], []).append((pair["target_language"], pair["target"]))
    for row, caption in found.captions[recipe.source_language]:
        for language, target in translations.get(caption, ()):
            found.captions.setdefault(language, []).append((row, target))
            found.pairs.setdefault(language, []).append((caption, target))
    missing = [language for language in recipe.target_languages if language not in found.pairs]
    if missing:
        raise UserError(
            f"No caption in {corpus.folder} has a translation into {' or '.join(missing)} in its pairs/, and the "
            "recipe's line dev_pictures asks for figures on them: add translations, or set dev_pictures to 0."
        )
    return found


class DevFigures:
    """Retrieval on a dev cut, as an encoder stands.

    Args:
        dev: The dev cut.
        texts: From texts to unit vectors, shape (n, d).
        pictures: From files to unit vectors, shape (n, d).
    """

    def __init__(self, dev: DevSet, texts: Encode, pictures: Encode) -> None:
        self._dev, self._texts, self._pictures = dev, texts, pictures

    @property
    def sentences(self) -> list[str]:
        """Every caption with its translation, in a fixed order."""
        return [f"{source}\t{target}" for pairs in self._dev.pairs.values() for source, target in pairs]

    def by_language(self) -> dict[str, Retrieval]:
        """Measure retrieval between pictures and captions by language."""
        images = self._pictures(self._dev.files)
        return {language: self._retrieval(images, captions) for language, captions in self._dev.captions.items()}

    def retrieval(self) -> float:
        """SumR between pictures and captions, mean of the languages."""
        return float(np.mean([found.sum_r for found in self.by_language().values()]))

    def translation(self) -> float:
        """SumR between captions and translations, mean of the languages."""
        figures = []
        for pairs in self._dev.pairs.values():
            sources = self._texts([source for source, _ in pairs])
            figures.append(self._retrieval(sources, [(row, target) for row, (_, target) in enumerate(pairs)]).sum_r)
        return float(np.mean(figures))

    def _retrieval(self, gallery: np.ndarray, captions: list[tuple[int, str]]) -> Retrieval:
        texts = self._texts([text for _, text in captions])
        return evaluate(gallery, texts, [row for row, _ in captions])

"""Runs of a plan that add languages to the model of another run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer import language_texts
from trainer.add_language import add_language
from trainer.digest import digest
from trainer.reproduction.learning_code import addition_code

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.language_texts import LanguageTexts
    from trainer.recipe import Recipe
    from trainer.reproduction.plan import Addition


def key(addition: Addition, recipe: Recipe, corpus: CaptionedMedia) -> str:
    """Hash what an addition depends on besides the model that it starts from."""
    texts = _texts(addition, recipe, corpus)
    pairs = (f"{pair.source}\t{pair.target}" for pair in texts.pairs)
    return digest([addition.model_dump_json(), addition_code(), *pairs, *texts.known])


def added(addition: Addition, recipe: Recipe, corpus: CaptionedMedia, start: Path, out: Path) -> Path:
    """Add the languages to a model, or go on with a run that was stopped; at once if it was done before.

    Args:
        addition: What to add, and how.
        recipe: The recipe of the model.
        corpus: Has the sentence pairs.
        start: The model's folder.
        out: The new model's folder.

    Returns:
        The new model's folder.
    """
    if not out.is_dir():
        out.parent.mkdir(parents=True, exist_ok=True)
        name = "-".join([recipe.model_name, *addition.languages])
        settings = addition.settings.model_copy(update={"seed": recipe.seed})
        add_language(start, addition.languages, _texts(addition, recipe, corpus), settings, out, name)
    return out


def _texts(addition: Addition, recipe: Recipe, corpus: CaptionedMedia) -> LanguageTexts:
    known = recipe.languages
    return language_texts.from_corpus(corpus, recipe.source_language, addition.languages, known, recipe.split)

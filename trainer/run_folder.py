"""A run's folder: whose it is, and the model in it."""

from __future__ import annotations

import json
import shutil
import textwrap
from typing import TYPE_CHECKING, Any

import yaml

from cl2cm_plugin.encoder import model_card, two_tower
from cl2cm_plugin.encoder.model_info import ModelInfo
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.tables import write_table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sentence_transformers import SentenceTransformer

    from trainer.corpus.pair_filter import DoubtfulPairs
    from trainer.recipe import Recipe

MODEL = "model"
"""Where a run's folder keeps its model."""
DOUBTFUL_PAIRS = "doubtful-pairs.tsv"
"""Where it keeps the sentence pairs that a filter left out."""


def claim(folder: Path, recipe: Recipe, key: str) -> None:
    """Make a folder a run's own, or make sure that it is.

    Args:
        folder: The run's folder; made if absent.
        recipe: The run's recipe.
        key: Names the run: recipe and data.

    Raises:
        UserError: The folder holds another run.
    """
    facts: dict[str, Any] = {"key": key, "recipe": recipe.model_dump()}
    file = folder / "run.json"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.rename(file)
    elif json.loads(file.read_text(encoding="utf-8"))["key"] != facts["key"]:
        raise UserError(
            f"{folder} holds a run of another recipe or other data: delete it, or name another folder with --out."
        )


def write_doubtful(folder: Path, doubtful: Iterable[DoubtfulPairs]) -> None:
    """Write down which sentence pairs a filter left out of a run, to be looked at.

    Args:
        folder: The run's folder.
        doubtful: The pairs; without any, nothing is written.
    """
    rows = [(of_languages.languages, *pair) for of_languages in doubtful for pair in of_languages.pairs]
    if rows:
        write_table(folder / DOUBTFUL_PAIRS, ("languages", "source", "target"), rows)


def write_model(
    recipe: Recipe, model: SentenceTransformer, folder: Path, trained_on: str, licence: str, evaluation: list[str]
) -> None:
    """Write the model folder of a run: it appears whole or not at all.

    Args:
        recipe: What was trained.
        model: The trained model, in eval mode.
        folder: The run's folder.
        trained_on: The corpus, as the model card names it.
        licence: The corpus's licence; empty if it does not say.
        evaluation: What the model card says of figures, in Markdown, paragraph by paragraph.
    """
    info = ModelInfo(
        name=recipe.model_name,
        fingerprint="",
        dimensions=recipe.model.dimensions,
        languages=recipe.languages,
        licence=licence,
        max_tokens=recipe.model.max_tokens,
        image_size=two_tower.image_size(model),
        trained_on=trained_on,
        text_backbone=recipe.model.text,
        vocabulary=recipe.model.vocabulary,
    )
    temporary = folder / f".{MODEL}"
    shutil.rmtree(temporary, ignore_errors=True)
    card = model_card.write(info, _card_facts(recipe, model, evaluation))
    two_tower.save(model, temporary, card, info)
    temporary.rename(folder / MODEL)


def _learned(recipe: Recipe) -> str:
    """Say what a model learned from, and how: baselines and upper bounds are not to be taken for CL2CM."""
    source, targets = recipe.source_language, ", ".join(recipe.target_languages)
    stage_1, stage_2 = recipe.cross_lingual.optimiser.epochs > 0, recipe.cross_modal
    two_stages = recipe.schedule == "two_stages" and stage_1
    if stage_2.supervised:
        said = f"An upper bound: it learned from people's captions of the pictures in {source}, {targets} as well."
    elif not (targets and (stage_1 or stage_2.target_weight)):
        said = f"It learned from {source} captions alone; what it finds in other languages is its text backbone's."
    else:
        how = "with CL2CM in two stages" if two_stages else "in one stage"
        said = (
            f"Nobody captioned a picture in {targets}: it learned from {source} captions and their translations {how}."
        )
    if recipe.transfer_languages:
        said += f" No text in {', '.join(recipe.transfer_languages)} was trained on."
    return "\n".join(textwrap.wrap(said, 120))


def _card_facts(recipe: Recipe, model: SentenceTransformer, sections: list[str]) -> model_card.CardFacts:
    pieces = two_tower.text_route(model)[0].model.config.vocab_size
    return model_card.CardFacts(
        learned=_learned(recipe),
        text_backbone=recipe.model.text,
        image_backbone=recipe.model.image,
        vocabulary=f"{pieces} pieces ({recipe.model.vocabulary})",
        seed=recipe.seed,
        recipe=yaml.safe_dump(recipe.model_dump(), sort_keys=False, allow_unicode=True),
        evaluation="\n\n".join(sections) or "Not evaluated.",
    )

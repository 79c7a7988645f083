"""What training on a stream cannot do, said before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from trainer.recipe_forms import SeveralTeachers

if TYPE_CHECKING:
    from collections import Counter

    from trainer.recipe import Recipe
    from trainer.streaming.shards import Shards


def check_recipe(recipe: Recipe, shards: Shards) -> None:
    """Refuse what needs all of a corpus at once, or what the shards do not hold.

    Args:
        recipe: The recipe.
        shards: The corpus.

    Raises:
        UserError: The recipe asks for such a thing; the message names its line.
    """
    cannot = _needs_everything(recipe) + _is_missing(recipe, shards)
    if cannot:
        raise UserError(f"The recipe cannot be trained on the shards in {shards.folder}: {'; '.join(cannot)}.")


def check_rows(recipe: Recipe, shards: Shards, pairs: Counter[str] | None, pictures: Counter[str] | None) -> None:
    """Refuse shards in which too little is for a recipe.

    Args:
        recipe: The recipe.
        shards: The corpus.
        pairs: The sentence pairs that the recipe takes, altogether and by target language; None if it needs none.
        pictures: The same of the pictures.

    Raises:
        UserError: There are fewer than the processes need, or no pairs in one of the target languages.
    """
    missing = [language for language in recipe.target_languages if pairs is not None and not pairs[language]]
    if missing:
        raise UserError(
            f"No row in {shards.folder / 'pairs'} has a translation from {recipe.source_language} into "
            f"{' or '.join(missing)} of an origin that the recipe takes."
        )
    least = 2 * recipe.compute.devices
    for name, found in (("pairs", pairs), ("pictures", pictures)):
        if found is not None and found[""] < least:
            raise UserError(
                f"Of the rows in {shards.folder / name} the recipe takes {found['']} (source_language "
                f"{recipe.source_language}, target_languages {', '.join(recipe.target_languages)}); training on "
                f"{recipe.compute.devices} device(s) needs at least {least}."
            )


def _needs_everything(recipe: Recipe) -> list[str]:
    stage_1, stage_2 = recipe.cross_lingual, recipe.cross_modal
    small = [
        name
        for name, optimiser in (("cross_lingual", stage_1.optimiser), ("cross_modal", stage_2.optimiser))
        if optimiser.epochs and optimiser.batch_size < 2 * recipe.compute.devices
    ]
    lines = {
        "model.vocabulary: corpus needs all texts before it starts; write scripts or all": (
            recipe.model.vocabulary == "corpus"
        ),
        "cross_lingual.sources: {form: frozen} needs states of all texts of before; write {form: trained}": (
            stage_1.freezes_sources
        ),
        "cross_lingual.sentences chooses among all texts; leave it out": stage_1.sentences is not None,
        "cross_modal.projections_first learns from what is computed once; set its epochs to 0": (
            stage_2.projections_first.epochs > 0
        ),
        "cross_modal.caption_mixing mixes what is computed once; set it to 0": stage_2.caption_mixing > 0,
        "cross_modal.region_dropout needs features that are computed once; set it to 0": stage_2.region_dropout > 0,
        "cross_modal.distillation: several_teachers needs their vectors of all captions; write relational": (
            isinstance(stage_2.distillation, SeveralTeachers)
        ),
        "noise is drawn from the words of all translations; set it to 0": any(recipe.noise.model_dump().values()),
        "pair_filter compares all pairs with each other; leave it out": recipe.pair_filter is not None,
        f"{' and '.join(small)}.optimiser.batch_size leaves a process without negatives; raise it": bool(small),
    }
    return [sentence for sentence, refused in lines.items() if refused]


def _is_missing(recipe: Recipe, shards: Shards) -> list[str]:
    joint = recipe.schedule == "joint"
    lines = {
        "dev_pictures (and patience) needs a dev cut, and the folder has no dev/ with media/ and captions/": (
            recipe.dev_pictures > 0 and shards.dev is None
        ),
        "stage 1 needs sentence pairs, and the folder has none in pairs/; set cross_lingual.optimiser.epochs to 0": (
            not shards.pairs.files and (joint or recipe.cross_lingual.optimiser.epochs > 0)
        ),
        "stage 2 needs pictures, and the folder has none in pictures/; set cross_modal.optimiser.epochs to 0": (
            not shards.pictures.files and (joint or recipe.cross_modal.optimiser.epochs > 0)
        ),
    }
    return [sentence for sentence, refused in lines.items() if refused]

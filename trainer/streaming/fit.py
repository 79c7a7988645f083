"""From a recipe and a corpus in shards to an evaluated model folder, in CL2CM's two stages.

What `trainer.fit` does in memory, on a stream: the same networks, losses and run folders. Order, crops and dropout of
an epoch depend on seed and epoch, and on the number of processes where each reads its own shards.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import lightning as L

from cl2cm_plugin.encoder import model_info, two_tower
from cl2cm_plugin.errors import UserError
from trainer.corpus.training_data import TrainingData
from trainer.digest import digest
from trainer.evaluation import report
from trainer.fit import Run, towers
from trainer.launch import Launch
from trainer.run_folder import MODEL, claim, write_model
from trainer.streaming.damaged import DAMAGED_PICTURES, damaged_pictures
from trainer.streaming.items import CaptionedPictures, SentencePairs
from trainer.streaming.refusals import check_recipe, check_rows
from trainer.streaming.shards import Turn
from trainer.streaming.stages import StreamedStages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.recipe import Recipe
    from trainer.streaming.shards import Shards

_ROWS = "rows.json"


def fit(
    recipe: Recipe,
    shards: Shards,
    folder: Path,
    evaluate_on: Sequence[str | None] = (None,),
    networks: Path | None = None,
    launch: Launch | None = None,
) -> Run:
    """Train a model in CL2CM's two stages on a stream, or go on with a run that was stopped.

    Args:
        recipe: What to train.
        shards: What to train on.
        folder: The run's folder; made if absent.
        evaluate_on: Splits of the shards' ``dev/`` whose retrieval figures go into the model card; None is all of it.
        networks: A folder of finished cross-lingual networks: one that several runs would train alike is trained once.
        launch: The processes to train in; those that the recipe's lines on compute ask for if None.

    Returns:
        The finished run; at once if it was finished before.

    Raises:
        UserError: The folder holds another run, or the recipe cannot be trained on these shards.
    """
    check_recipe(recipe, shards)
    if shards.dev is None and any(evaluate_on):
        raise UserError(f"{shards.folder} has no dev/ to evaluate on: leave --evaluate-on out, or put one there.")
    launch = launch or Launch(recipe.compute)
    with launch.in_turn():
        totals = _totals(recipe, shards, folder / _ROWS)
        claim(folder, recipe, run_key(recipe, shards))
        (folder / _ROWS).write_text(json.dumps(totals) + "\n", encoding="utf-8")
        # A vocabulary that depends on the texts has been refused.
        text_folder, image_folder = towers(recipe, TrainingData([], []))
    if not (folder / MODEL).is_dir():
        dev = shards.dev
        evaluated = {split: dev.captioned_languages(recipe.languages, split) for split in evaluate_on} if dev else {}
        L.seed_everything(recipe.seed, workers=True, verbose=False)
        model = two_tower.build(text_folder, image_folder, recipe.model.dimensions, recipe.model.max_tokens)
        stages = StreamedStages(recipe, shards, totals, model, text_folder, folder, networks, launch)
        stages.train()
        stages.to_evaluate()
        sections = []
        for split, languages in evaluated.items():
            assert dev is not None
            # All processes together, unlike what follows: each encodes its share.
            results = report.evaluate_split(dev, split, languages, stages.pictures, stages.texts)
            sections.append(f"Split `{split or 'dev'}`:\n\n{report.markdown(results)}")
        with launch.in_turn():
            if launch.is_first:
                left_out = damaged_pictures(folder / DAMAGED_PICTURES)
                trained_on = f"{shards.name}{f'; damaged pictures left out: {len(left_out)}' if left_out else ''}"
                write_model(recipe, model.eval().cpu(), folder, trained_on, shards.licence, sections)
    return Run(folder, folder / MODEL, model_info.read(folder / MODEL), (text_folder, image_folder))


def run_key(recipe: Recipe, shards: Shards) -> str:
    """Hash a recipe and the shards that it trains on, by their names and sizes: 16 hexadecimal digits."""
    files = shards.names_and_sizes(shards.pairs, shards.pictures)
    return digest([recipe.model_dump_json(exclude={"compute"}), *files])


def _totals(recipe: Recipe, shards: Shards, file: Path) -> tuple[int, int]:
    """Count the sentence pairs and the pictures that the recipe takes: a pass over the shards, once a run.

    Raises:
        UserError: There are too few.
    """
    if file.is_file():
        pairs, pictures = json.loads(file.read_text(encoding="utf-8"))
        return pairs, pictures
    every, joint = Turn(recipe.seed, 0), recipe.schedule == "joint"
    stages = (
        (SentencePairs(shards.pairs, recipe), recipe.cross_lingual.optimiser),
        (CaptionedPictures(shards.pictures, recipe), recipe.cross_modal.optimiser),
    )
    found = [items.count(every) if optimiser.epochs or joint else None for items, optimiser in stages]
    check_rows(recipe, shards, *found)
    pairs, pictures = (counts[""] if counts else 0 for counts in found)
    return pairs, pictures

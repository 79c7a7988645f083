"""What trials train on: a corpus in memory, or shards that are read as a stream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from trainer import fit as in_memory
from trainer.console import say
from trainer.corpus import read_corpus
from trainer.corpus.damaged_media import left_out, splits_without_damaged
from trainer.streaming import fit as streamed
from trainer.streaming import shards
from trainer.streaming.dev import dev_set
from trainer.streaming.refusals import check_recipe

if TYPE_CHECKING:
    from trainer.fit import Run
    from trainer.launch import Launch
    from trainer.recipe import Recipe
    from tuning.task import Task


def check(recipe: Recipe, data: str) -> None:
    """Make sure that a recipe can be trained, and its trials be judged.

    Args:
        recipe: The base recipe.
        data: A folder of captioned media or of shards, or openmoji.

    Raises:
        UserError: The data are neither, or lack what the recipe asks for.
    """
    if shards.recognises(Path(data)):
        corpus = shards.read(Path(data))
        check_recipe(recipe, corpus)
        if corpus.dev:
            dev_set(recipe, corpus.dev)
        return
    sound, damaged = splits_without_damaged(read_corpus(data), [recipe.split])
    if damaged:
        say(left_out(damaged))
    dev = in_memory.training_data(recipe, sound).dev
    without = [language for language in recipe.target_languages if not dev.captions.get(language)]
    if without:
        raise UserError(
            f"None of the {recipe.dev_pictures} pictures of the dev cut has a caption with a translation into "
            f"{', '.join(without)}, so trials could not be judged: raise dev_pictures in the space's changes."
        )


def train(recipe: Recipe, task: Task, launch: Launch) -> Run:
    """Train a recipe, or go on with a run that was stopped.

    Args:
        recipe: The recipe of the task.
        task: What to train on, and where.
        launch: The processes to train in.
    """
    data, folder = Path(task.data), Path(task.folder)
    if shards.recognises(data):
        return streamed.fit(recipe, shards.read(data), folder, task.evaluate_on, Path(task.networks), launch)
    splits = [split for split in task.evaluate_on if split is not None]
    with launch.in_turn():
        sound, _ = splits_without_damaged(read_corpus(task.data), [recipe.split, *splits])
    return in_memory.fit(recipe, sound, folder, splits, Path(task.networks), launch=launch)


def unseen_splits(recipe: Recipe, data: str) -> tuple[str | None, ...]:
    """List the splits that training does not see; of shards it is None, for all of their dev cut."""
    if shards.recognises(Path(data)):
        return (None,) if shards.read(Path(data)).dev else ()
    return tuple(in_memory.unseen_splits(recipe, read_corpus(data)))

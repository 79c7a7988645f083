"""``cl2cm train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.commands import add_command
from trainer.console import quiet_libraries, say

if TYPE_CHECKING:
    import argparse

    from trainer.fit import Run
    from trainer.recipe import Recipe

HELP = """\
Train a model with CL2CM in two stages: a cross-lingual network on sentences and
their translations, then a cross-modal network on pictures that learns from it.
No picture needs a caption in the target language.

DATA is a folder with media/, captions/<language>.tsv (media_id, caption) and
pairs/<source>-<target>.tsv (source, target); or the word openmoji, for a picture
collection that is made on the spot; or shards that `cl2cm shards` wrote, which are
read as a stream. A run that was stopped goes on where it was.
"""

EXAMPLES = """\
examples:
  cl2cm train openmoji --data openmoji
  cl2cm train openmoji --data openmoji --target fr --out build/runs/french
  cl2cm train my-recipe.yaml --data archive/
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``train``."""
    parser = add_command(subparsers, "train", "train a model", HELP, EXAMPLES)
    parser.add_argument("recipe", metavar="RECIPE", help="a shipped recipe by name (openmoji), or a YAML file")
    parser.add_argument(
        "--data", metavar="DATA", required=True, help="a folder of captioned media or shards, or openmoji"
    )
    parser.add_argument("--target", metavar="LANGUAGE", nargs="+", help="target languages instead of the recipe's")
    parser.add_argument("--seed", metavar="N", type=int, help="seed instead of the recipe's")
    parser.add_argument(
        "--evaluate-on", metavar="SPLIT", nargs="*", default=None, help="splits for the model card's figures"
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="the run's folder (build/runs/<name>-<hash>)")
    parser.add_argument(
        "--networks", metavar="FOLDER", type=Path, help="share finished cross-lingual networks with other runs"
    )
    parser.set_defaults(run=run_train, extra="train", runs_models=True)


def run_train(arguments: argparse.Namespace) -> int:
    """Train a recipe.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0.
    """
    quiet_libraries()
    from trainer import recipe as recipes
    from trainer.streaming import shards

    recipe = recipes.load(arguments.recipe, target_languages=arguments.target, seed=arguments.seed)
    on_shards = shards.recognises(Path(arguments.data))
    run = _train_on_shards(recipe, arguments) if on_shards else _train_in_memory(recipe, arguments)
    say(f"{run.info.identity} is in {run.model}; its README.md has the figures.\nNext: cl2cm install {run.model}")
    return 0


def _train_in_memory(recipe: Recipe, arguments: argparse.Namespace) -> Run:
    from trainer.corpus import read_corpus
    from trainer.corpus.damaged_media import left_out, splits_without_damaged
    from trainer.corpus.seen_captions import seen_captions
    from trainer.fit import fit, run_key, training_data, unseen_splits
    from trainer.run_folder import DOUBTFUL_PAIRS

    corpus = read_corpus(arguments.data)
    splits = unseen_splits(recipe, corpus) if arguments.evaluate_on is None else arguments.evaluate_on
    corpus, damaged = splits_without_damaged(corpus, [recipe.split, *splits])
    if damaged:
        say(left_out(damaged))
    data = training_data(recipe, corpus)
    for split in set(splits) - {recipe.split}:
        if seen := seen_captions(corpus, data, recipe.source_language, split):
            say(
                f"Training learns from the translations of {seen} captions of the split {split}, so that its figures "
                "are too good: leave them out of pairs/."
            )
    key = run_key(recipe, data)
    folder = _folder(recipe, arguments, key)
    for doubtful in data.doubtful_pairs:
        where = f"; {folder / DOUBTFUL_PAIRS} has them" if doubtful.pairs else ""
        say(f"pair_filter leaves out {doubtful}{where}.")
    return fit(recipe, corpus, folder, splits, arguments.networks, data)


def _train_on_shards(recipe: Recipe, arguments: argparse.Namespace) -> Run:
    from trainer.streaming import shards
    from trainer.streaming.damaged import DAMAGED_PICTURES, damaged_pictures
    from trainer.streaming.fit import fit, run_key

    corpus = shards.read(Path(arguments.data))
    key = run_key(recipe, corpus)
    folder = _folder(recipe, arguments, key)
    splits = [None] if arguments.evaluate_on is None else arguments.evaluate_on
    run = fit(recipe, corpus, folder, splits, arguments.networks)
    damaged = damaged_pictures(folder / DAMAGED_PICTURES)
    if damaged:
        few = ", ".join(list(damaged)[:3])
        say(
            f"Left out: {len(damaged)} pictures that cannot be opened ({few}"
            f"{', ...' if len(damaged) > 3 else ''}); {folder / DAMAGED_PICTURES} says why."
        )
    return run


def _folder(recipe: Recipe, arguments: argparse.Namespace, key: str) -> Path:
    """The run's folder; says so where that run is finished, and the splits that are asked for are not measured."""
    folder: Path = arguments.out or Path("build") / "runs" / f"{recipe.model_name}-{key}"
    if arguments.evaluate_on and (folder / "model").is_dir():
        say(f"The run in {folder} was finished before, its card stays as it is: cl2cm evaluate measures other splits.")
    return folder

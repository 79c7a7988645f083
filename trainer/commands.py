"""``cl2cm train``, ``cl2cm evaluate`` and ``cl2cm demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.commands import add_command
from cl2cm_plugin.errors import UserError
from trainer.console import quiet_libraries

if TYPE_CHECKING:
    import argparse

    from trainer.corpus import CaptionedMedia
    from trainer.recipe import Recipe

TRAIN_HELP = """\
Train a model with CL2CM in two stages: a cross-lingual network on sentences and
their translations, then a cross-modal network on pictures that learns from it.
No picture needs a caption in the target language.

DATA is a folder with media/, captions/<language>.tsv (media_id, caption) and
pairs/<source>-<target>.tsv (source, target); or the word openmoji, for a picture
collection that is made on the spot. A run that was stopped goes on where it was.
"""

TRAIN_EXAMPLES = """\
examples:
  cl2cm train openmoji --data openmoji
  cl2cm train openmoji --data openmoji --target fr --out build/runs/french
  cl2cm train my-recipe.yaml --data archive/
"""

EVALUATE_HELP = """\
Measure how well a model finds pictures by captions and captions by pictures:
R@1, R@5, R@10 and the median rank in both directions, and SumR, per language.
MODEL is an installed name or a folder of any sentence-transformers model.
"""

EVALUATE_EXAMPLES = """\
example:
  cl2cm evaluate cl2cm-de --data openmoji --split held-out --languages en de
"""

DEMO_HELP = """\
Go the whole road on a picture collection made of Python packages alone: train a
model, install it, serve it, start a real Weaviate, import the pictures, and search
them in a language in which nobody captioned a picture.
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommands ``train``, ``evaluate`` and ``demo``."""
    _register_train(subparsers)
    _register_evaluate(subparsers)
    _register_demo(subparsers)


def _register_train(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(subparsers, "train", "train a model", TRAIN_HELP, TRAIN_EXAMPLES)
    parser.add_argument("recipe", metavar="RECIPE", help="a shipped recipe by name (openmoji), or a YAML file")
    parser.add_argument("--data", metavar="DATA", required=True, help="a folder of captioned media, or openmoji")
    parser.add_argument("--target", metavar="LANGUAGE", nargs="+", help="target languages instead of the recipe's")
    parser.add_argument("--seed", metavar="N", type=int, help="seed instead of the recipe's")
    parser.add_argument(
        "--evaluate-on", metavar="SPLIT", nargs="*", default=None, help="splits for the model card's figures"
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="the run's folder (build/runs/<name>-<hash>)")
    parser.set_defaults(run=run_train, extra="train", runs_models=True)


def _register_evaluate(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(subparsers, "evaluate", "measure a model's retrieval", EVALUATE_HELP, EVALUATE_EXAMPLES)
    parser.add_argument("model", metavar="MODEL", help="an installed name, or a model folder")
    parser.add_argument("--data", metavar="DATA", required=True, help="a folder of captioned media, or openmoji")
    parser.add_argument("--split", metavar="SPLIT", help="the pictures to choose from (all)")
    parser.add_argument("--languages", metavar="LANGUAGE", nargs="+", help="languages of the queries (the model's)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there as well")
    parser.set_defaults(run=run_evaluate, extra="train", runs_models=True)


def _register_demo(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(subparsers, "demo", "go the whole road, from pictures to search", DEMO_HELP, "")
    parser.add_argument("--target", metavar="LANGUAGE", default="de", help="language of the queries (de)")
    parser.add_argument("--seeds", metavar="N", type=int, default=3, help="runs to average the figures over (3)")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=Path("build"), help="for results (build)")
    parser.set_defaults(run=run_demo, extra="demo", runs_models=True)


def run_train(arguments: argparse.Namespace) -> int:
    """Train a recipe.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0.
    """
    quiet_libraries()
    from rich.console import Console

    from trainer import recipe as recipes
    from trainer.fit import fit, run_key, training_data

    recipe = recipes.load(arguments.recipe, target_languages=arguments.target, seed=arguments.seed)
    corpus = read_corpus(arguments.data)
    splits = _evaluation_splits(recipe, corpus) if arguments.evaluate_on is None else arguments.evaluate_on
    key = run_key(recipe, training_data(recipe, corpus))
    folder = arguments.out or Path("build") / "runs" / f"{recipe.model_name}-{key}"
    run = fit(recipe, corpus, folder, splits)
    Console().print(
        f"{run.info.identity} is in {run.model}; its README.md has the figures.\nNext: cl2cm install {run.model}",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _evaluation_splits(recipe: Recipe, corpus: CaptionedMedia) -> list[str]:
    """Every split that training does not see and that has captions in all languages of the recipe."""
    seen = set(corpus.media_ids(recipe.split))
    unseen = [name for name in sorted(corpus.splits) if not seen & set(corpus.media_ids(name))]
    return [name for name in unseen if set(recipe.languages) <= set(corpus.languages)]


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Evaluate a model and print a table.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0.
    """
    quiet_libraries()
    import json

    from rich.console import Console
    from sentence_transformers import SentenceTransformer

    from cl2cm_plugin.encoder import model_info, model_store
    from trainer.evaluation import report
    from trainer.evaluation.encode import encoders

    folder = model_store.resolve(arguments.model)
    corpus = read_corpus(arguments.data)
    languages = arguments.languages or _languages(folder, model_info.FILE_NAME)
    encode_pictures, encode_texts = encoders(SentenceTransformer(str(folder), local_files_only=True))
    results = report.evaluate_split(corpus, arguments.split, languages, encode_pictures, encode_texts)
    Console().print(report.table(results, f"{arguments.model} on {corpus.name}, {arguments.split or 'all pictures'}"))
    if arguments.json:
        figures = {language: figures.as_dict() for language, figures in results.items()}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def _languages(folder: Path, info_file: str) -> list[str]:
    from cl2cm_plugin.encoder import model_info

    if not (folder / info_file).is_file():
        raise UserError(f"{folder} does not say which languages it knows; name them: --languages en de")
    return model_info.read(folder).languages


def run_demo(arguments: argparse.Namespace) -> int:
    """Go the whole road.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0.
    """
    quiet_libraries()
    from trainer.demo.road import demo

    if arguments.seeds < 1:
        raise UserError(f"--seeds is {arguments.seeds}; the demo needs at least one run.")
    demo(arguments.target, arguments.seeds, arguments.out)
    return 0


def read_corpus(name_or_folder: str) -> CaptionedMedia:
    """Read a corpus, or make the one that is known by name.

    Args:
        name_or_folder: A folder, or ``openmoji``.

    Returns:
        The corpus.

    Raises:
        UserError: There is no such folder, or it is no corpus.
    """
    from cl2cm_plugin.encoder.backbones import cache_folder
    from trainer import corpus

    folder = Path(name_or_folder)
    if name_or_folder == "openmoji" and not folder.is_dir():
        from trainer.corpus import openmoji

        folder = openmoji.build(cache_folder() / "corpora" / "openmoji")
    return corpus.read(folder)

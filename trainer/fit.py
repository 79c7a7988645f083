"""From a recipe and a corpus to an evaluated model folder, in CL2CM's two stages.

A run keeps everything below one folder: ``run.json`` says which recipe and data it belongs to, each stage keeps the
checkpoint of its last epoch, and ``model/`` appears when the run is complete. The same call after a kill goes on from
there, and gives what the run would have given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import lightning as L
import torch
from sentence_transformers import SentenceTransformer

from cl2cm_plugin.encoder import backbones, model_info, model_store, two_tower, vocabulary
from trainer.corpus.noise import Noise, noisy_corpus
from trainer.corpus.pair_filter import trusted
from trainer.corpus.training_data import TrainingData, assemble, takes
from trainer.digest import digest
from trainer.evaluation import report
from trainer.evaluation.encode import encoders
from trainer.launch import Launch
from trainer.methods.precision import bfloat16_on_the_cpu
from trainer.run_folder import MODEL, claim, write_doubtful, write_model
from trainer.stages import BACKBONE, Stages
from trainer.towers.embedding import Embedder, FrozenParts
from trainer.towers.image import TrainedImage
from trainer.towers.trained_text import TrainedText
from trainer.towers.untrained_text import untrained_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from cl2cm_plugin.encoder.model_info import ModelInfo
    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.corpus.pair_filter import DoubtfulPairs
    from trainer.recipe import Recipe


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: The run's folder.
        model: The model folder inside it.
        info: What the model says of itself.
        towers: The folders of the text backbone, its vocabulary cut, and of the image backbone.
    """

    folder: Path
    model: Path
    info: ModelInfo
    towers: tuple[Path, Path]


def fit(
    recipe: Recipe,
    corpus: CaptionedMedia,
    folder: Path,
    evaluate_on: Sequence[str] = (),
    networks: Path | None = None,
    data: TrainingData | None = None,
    launch: Launch | None = None,
) -> Run:
    """Train a model in CL2CM's two stages, or go on with a run that was stopped.

    Args:
        recipe: What to train.
        corpus: What to train on.
        folder: The run's folder; made if absent.
        evaluate_on: Splits whose retrieval figures go into the model card.
        networks: A folder of finished cross-lingual networks: one that several runs would train alike is trained once.
        data: What `training_data` makes of recipe and corpus, if it is at hand.
        launch: The processes to train in; those that the recipe's lines on compute ask for if None.

    Returns:
        The finished run; at once if it was finished before.

    Raises:
        UserError: The folder holds another run, or the corpus lacks what the recipe asks for.
    """
    data = data or training_data(recipe, corpus)
    launch = launch or Launch(recipe.compute)
    teachers = _teacher_folders(recipe)
    with launch.in_turn():
        claim(folder, recipe, run_key(recipe, data))
        write_doubtful(folder, data.doubtful_pairs)
        text_folder, image_folder = towers(recipe, data)
    if not (folder / MODEL).is_dir():
        evaluated = {split: corpus.captioned_languages(recipe.languages, split) for split in evaluate_on}
        # Only now: converting a backbone draws random numbers, and happens in the first run alone.
        L.seed_everything(recipe.seed, workers=True, verbose=False)
        model = two_tower.build(text_folder, image_folder, recipe.model.dimensions, recipe.model.max_tokens)
        with launch.in_turn():
            half = bfloat16_on_the_cpu(recipe.compute.precision)
            frozen = FrozenParts(model, text_folder, image_folder, recipe.model, half)
            stages = Stages(recipe, data, model, frozen, folder, networks, launch)
        stages.train([_teacher_vectors(teacher, data.texts) for teacher in teachers])
        with launch.in_turn():
            if launch.is_first:
                _finish(recipe, corpus, model.eval(), stages.embedder, folder, evaluated)
    return Run(folder, folder / MODEL, model_info.read(folder / MODEL), (text_folder, image_folder))


def embedder_of(recipe: Recipe, run: Run) -> Embedder:
    """Encode with a finished run's model, through the caches of its frozen parts.

    Args:
        recipe: The run's recipe.
        run: The run.

    Returns:
        Vectors as the model itself gives them, without computing again what the runs share.
    """
    model = SentenceTransformer(str(run.model), device="cpu", local_files_only=True)
    text = TrainedText(model, recipe.model.trained_layers)
    image = TrainedImage(model, recipe.model.trained_image_layers)
    return Embedder(text, image, FrozenParts(model, *run.towers, recipe.model))


def unseen_splits(recipe: Recipe, corpus: CaptionedMedia) -> list[str]:
    """List every split that training does not see and that has captions in a language of the recipe."""
    seen = set(corpus.media_ids(recipe.split))
    unseen = [name for name in sorted(corpus.splits) if not seen & set(corpus.media_ids(name))]
    return [name for name in unseen if corpus.captioned_languages(recipe.languages, name)]


def training_data(recipe: Recipe, corpus: CaptionedMedia) -> TrainingData:
    """Collect what a recipe trains on: with the noise that it asks for, without what its filter leaves out."""
    if any(recipe.noise.model_dump().values()):
        corpus = noisy_corpus(corpus, Noise(**recipe.noise.model_dump()), recipe.seed)
    corpus, doubtful = _trusted(recipe, corpus)
    data = assemble(
        corpus,
        recipe.source_language,
        recipe.target_languages,
        recipe.split,
        recipe.origins,
        dev_pictures=recipe.dev_pictures,
        untranslated=recipe.cross_modal.untranslated,
        supervised=recipe.cross_modal.supervised,
        same_picture=recipe.same_picture,
        sentences=recipe.cross_lingual.sentences,
    )
    return replace(data, doubtful_pairs=doubtful)


def _trusted(recipe: Recipe, corpus: CaptionedMedia) -> tuple[CaptionedMedia, list[DoubtfulPairs]]:
    if recipe.pair_filter is None:
        return corpus, []
    backbone = backbones.text_backbone(recipe.model.text)
    return trusted(
        corpus,
        lambda row: takes(row, recipe.source_language, recipe.target_languages, recipe.origins),
        partial(untrained_vectors, backbone, recipe.model.max_tokens),
        recipe.pair_filter.nearest,
        recipe.pair_filter.among,
    )


def towers(recipe: Recipe, data: TrainingData) -> tuple[Path, Path]:
    """Find the backbones of a recipe, the text backbone with its vocabulary cut; made once, then read from the cache.

    Args:
        recipe: Names the backbones, the languages and the rule for the vocabulary.
        data: Its texts decide where the vocabulary is cut to the corpus.

    Returns:
        The Hugging Face folders of the text backbone and the image backbone.
    """
    return _cut_backbone(recipe, data), _image_backbone(recipe.model.image)


def _image_backbone(name: str) -> Path:
    """Find an image backbone; of a model of this project its image tower."""
    tower = Path(name) / two_tower.IMAGE_TOWER
    return tower if tower.is_dir() else backbones.image_backbone(name)


def _teacher_folders(recipe: Recipe) -> list[Path]:
    """Find the models that teach beside stage 1's network, before anything is trained."""
    names = getattr(recipe.cross_modal.distillation, "models", ())
    return [model_store.resolve(name) for name in names if name != BACKBONE]


def _teacher_vectors(folder: Path, texts: list[str]) -> dict[str, Tensor]:
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    _, encode_texts = encoders(model)
    return dict(zip(texts, torch.from_numpy(encode_texts(texts)), strict=True))


def _finish(
    recipe: Recipe,
    corpus: CaptionedMedia,
    model: SentenceTransformer,
    embedder: Embedder,
    folder: Path,
    evaluated: dict[str, list[str]],
) -> None:
    """Evaluate, and write the model folder as the last act of the run."""
    sections = []
    for split, languages in evaluated.items():
        label = ", seen in training" if split == recipe.split else ""
        results = report.evaluate_split(corpus, split, languages, embedder.pictures, embedder.texts)
        sections.append(f"Split `{split}`{label}:\n\n{report.markdown(results)}")
    write_model(recipe, model, folder, f"{corpus.name}, split {recipe.split}", corpus.licence, sections)


def _cut_backbone(recipe: Recipe, data: TrainingData) -> Path:
    backbone = backbones.text_backbone(recipe.model.text)
    if recipe.model.vocabulary == "all":
        return backbone
    pieces = vocabulary.pieces_of(backbone)
    if recipe.model.vocabulary == "scripts":
        kept = vocabulary.pieces_in_scripts(pieces, recipe.languages)
    else:
        from transformers import AutoTokenizer

        tokenize = AutoTokenizer.from_pretrained(backbone).tokenize
        kept = vocabulary.pieces_in_texts(pieces, recipe.languages, data.texts, tokenize)
    key = digest([model_info.fingerprint(backbone), *sorted(kept)])
    folder = backbones.cache_folder() / "vocabularies" / f"{backbone.name}-{key}"
    return backbones.made_once(folder, lambda out: vocabulary.cut(backbone, out, kept))


def run_key(recipe: Recipe, data: TrainingData) -> str:
    """Hash a recipe and what it trains on: 16 hexadecimal digits that name the run."""
    rows = (f"{row.source}\t{row.target}" for row in data.sentence_pairs)
    pictures = (
        f"{Path(row.file).name}\t{Path(row.file).stat().st_size}\t{row.source}\t{row.target}"
        for row in data.captioned_pictures
    )
    teachers = (model_info.fingerprint(folder) for folder in _teacher_folders(recipe))
    return digest([recipe.model_dump_json(exclude={"compute"}), *teachers, *rows, *pictures])

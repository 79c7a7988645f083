"""From a recipe and a corpus to an evaluated model folder, in CL2CM's two stages.

A run keeps everything below one folder: ``run.json`` says which recipe and data it belongs to, each stage keeps the
checkpoint of its last epoch, and ``model/`` appears when the run is complete. The same call after a kill goes on from
there, and gives what the run would have given.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
import numpy as np
import torch
import yaml

from cl2cm_plugin.encoder import backbones, model_card, model_info, two_tower, vocabulary
from cl2cm_plugin.encoder.model_info import ModelInfo
from cl2cm_plugin.errors import UserError
from trainer.corpus.image_features import image_features
from trainer.corpus.training_data import TrainingData, assemble
from trainer.evaluation import report
from trainer.methods.cl2cm import CrossModalNetwork
from trainer.methods.cross_lingual import CrossLingualNetwork
from trainer.methods.stage import train
from trainer.towers import FrozenText, TrainedText

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sentence_transformers import SentenceTransformer

    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.evaluation.retrieval import Retrieval
    from trainer.recipe import Recipe

_TEXTS_AT_ONCE = 256
_MODEL = "model"


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: The run's folder.
        model: The model folder inside it.
        info: What the model says of itself.
    """

    folder: Path
    model: Path
    info: ModelInfo


def fit(recipe: Recipe, corpus: CaptionedMedia, folder: Path, evaluate_on: Sequence[str] = ()) -> Run:
    """Train a model in CL2CM's two stages, or go on with a run that was stopped.

    Args:
        recipe: What to train.
        corpus: What to train on.
        folder: The run's folder; made if absent.
        evaluate_on: Splits whose retrieval figures go into the model card.

    Returns:
        The finished run; at once if it was finished before.

    Raises:
        UserError: The folder holds another run, or the corpus lacks what the recipe asks for.
    """
    data = assemble(corpus, recipe.source_language, recipe.target_languages, recipe.split, recipe.origins)
    _claim(folder, recipe, data)
    if (folder / _MODEL / model_info.FILE_NAME).is_file():
        return Run(folder, folder / _MODEL, model_info.read(folder / _MODEL))
    L.seed_everything(recipe.seed, workers=True, verbose=False)
    image_folder = backbones.image_backbone(recipe.model.image)
    text_folder = cut_backbone(recipe, corpus)
    model = two_tower.build(text_folder, image_folder, recipe.model.dimensions, recipe.model.max_tokens)
    features = _features(model, image_folder, data, corpus, evaluate_on)
    _train_stages(recipe, data, model, features, folder)
    return _finish(recipe, corpus, model, features, folder, evaluate_on)


def _train_stages(
    recipe: Recipe, data: TrainingData, model: SentenceTransformer, features: dict[str, torch.Tensor], folder: Path
) -> None:
    states = FrozenText(model, recipe.model.trained_layers).states(data.texts)
    text = TrainedText(model, recipe.model.trained_layers)

    cross_lingual = CrossLingualNetwork(text, recipe.cross_lingual, states, recipe.seed)
    train(cross_lingual, data.sentence_pairs, cross_lingual.collate, folder / "cross_lingual")

    teacher = _sentence_vectors(text, states)
    projection = two_tower.image_route(model)[1].linear
    cross_modal = CrossModalNetwork(text, projection, recipe.cross_modal, states, features, teacher, recipe.seed + 1)
    train(cross_modal, data.captioned_pictures, cross_modal.collate, folder / "cross_modal")


def _finish(
    recipe: Recipe,
    corpus: CaptionedMedia,
    model: SentenceTransformer,
    features: dict[str, torch.Tensor],
    folder: Path,
    evaluate_on: Sequence[str],
) -> Run:
    model.eval()
    sections = []
    for split in evaluate_on:
        media_ids = corpus.media_ids(split)
        results = _evaluate(recipe, corpus, model, features, media_ids)
        label = ", seen in training" if split == recipe.split else ""
        sections.append(f"Split `{split}`{label}, {len(media_ids)} pictures:\n\n{report.markdown(results)}")
    info = ModelInfo(
        name=recipe.model_name,
        fingerprint="",
        dimensions=recipe.model.dimensions,
        languages=recipe.languages,
        licence=corpus.licence,
        max_tokens=recipe.model.max_tokens,
        image_size=image_size(model),
        trained_on=f"{corpus.name}, split {recipe.split}",
    )
    card = model_card.write(info, _card_facts(recipe, model, sections))
    temporary = folder / f".{_MODEL}"
    info = two_tower.save(model, temporary, card, info)
    temporary.rename(folder / _MODEL)
    return Run(folder, folder / _MODEL, info)


def _card_facts(recipe: Recipe, model: SentenceTransformer, sections: list[str]) -> model_card.CardFacts:
    pieces = two_tower.text_route(model)[0].model.config.vocab_size
    return model_card.CardFacts(
        text_backbone=recipe.model.text,
        image_backbone=recipe.model.image,
        vocabulary=f"{pieces} pieces ({recipe.model.vocabulary})",
        seed=recipe.seed,
        recipe=yaml.safe_dump(recipe.model_dump(), sort_keys=False, allow_unicode=True),
        evaluation="\n\n".join(sections) or "Not evaluated.",
    )


def cut_backbone(recipe: Recipe, corpus: CaptionedMedia) -> Path:
    """Find the text backbone with the vocabulary that a recipe asks for; made once, then read from the cache.

    Args:
        recipe: Names the backbone, the languages and the rule.
        corpus: Its texts decide where the vocabulary is cut to the corpus.

    Returns:
        A Hugging Face folder.
    """
    backbone = backbones.text_backbone(recipe.model.text)
    if recipe.model.vocabulary == "all":
        return backbone
    pieces = vocabulary.pieces_of(backbone)
    if recipe.model.vocabulary == "scripts":
        kept = vocabulary.pieces_in_scripts(pieces, recipe.languages)
    else:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(backbone)
        data = assemble(corpus, recipe.source_language, recipe.target_languages, recipe.split, recipe.origins)
        kept = vocabulary.pieces_in_texts(pieces, recipe.languages, data.texts, tokenizer.tokenize)
    key = _digest([str(backbone), *sorted(kept)])
    folder = backbones.cache_folder() / "vocabularies" / f"{backbone.name}-{key}"
    if not folder.is_dir():
        temporary = folder.with_name(f".{folder.name}")
        temporary.mkdir(parents=True, exist_ok=True)
        vocabulary.cut(backbone, temporary, kept)
        temporary.rename(folder)
    return folder


def image_size(model: SentenceTransformer) -> int | None:
    """Read the width in pixels that pictures are scaled to; None where the preprocessing does not say."""
    processor: Any = two_tower.image_route(model)[0].processor
    size = dict(getattr(getattr(processor, "image_processor", processor), "size", None) or {})
    return size.get("width") or size.get("shortest_edge")


def run_key(recipe: Recipe, data: TrainingData) -> str:
    """Hash a recipe and what it trains on: 16 hexadecimal digits that name the run."""
    rows = (f"{row.source}\t{row.target}" for row in data.sentence_pairs)
    pictures = (
        f"{Path(row.file).name}\t{Path(row.file).stat().st_size}\t{row.source}\t{row.target}"
        for row in data.captioned_pictures
    )
    return _digest([recipe.model_dump_json(), *rows, *pictures])


def _claim(folder: Path, recipe: Recipe, data: TrainingData) -> None:
    """Make a folder this run's own, or make sure that it is."""
    facts = {"key": run_key(recipe, data), "recipe": recipe.model_dump()}
    file = folder / "run.json"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    elif json.loads(file.read_text(encoding="utf-8"))["key"] != facts["key"]:
        raise UserError(
            f"{folder} holds a run of another recipe or other data: delete it, or name another folder with --out."
        )


def _features(
    model: SentenceTransformer,
    image_folder: Path,
    data: TrainingData,
    corpus: CaptionedMedia,
    evaluate_on: Sequence[str],
) -> dict[str, torch.Tensor]:
    """Image features by file, for the pictures in training and evaluation."""
    by_id = corpus.files()
    evaluated = (by_id[media_id] for split in evaluate_on for media_id in corpus.media_ids(split))
    files = list(dict.fromkeys([*(row.file for row in data.captioned_pictures), *evaluated]))
    rows = image_features(files, two_tower.image_route(model)[0], image_folder)
    return dict(zip(files, torch.from_numpy(rows), strict=True))


@torch.inference_mode()
def _sentence_vectors(text: TrainedText, states: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    text.eval()
    sentences = list(states)
    vectors: dict[str, torch.Tensor] = {}
    for start in range(0, len(sentences), _TEXTS_AT_ONCE):
        batch = sentences[start : start + _TEXTS_AT_ONCE]
        encoded = text([states[sentence] for sentence in batch]).sentences
        vectors.update(zip(batch, encoded.clone(), strict=True))
    return vectors


def _evaluate(
    recipe: Recipe,
    corpus: CaptionedMedia,
    model: SentenceTransformer,
    features: dict[str, torch.Tensor],
    media_ids: list[str],
) -> dict[str, Retrieval]:
    files = corpus.files()
    images = project(model, torch.stack([features[files[media_id]] for media_id in media_ids]))
    return report.evaluate_languages(corpus, media_ids, images, text_encoder(model), recipe.languages)


@torch.inference_mode()
def project(model: SentenceTransformer, features: torch.Tensor) -> np.ndarray:
    """Take image features to the common space: unit vectors, shape (n, d)."""
    _, projection = two_tower.image_route(model)
    return torch.nn.functional.normalize(projection.linear(features), dim=-1).numpy()


def text_encoder(model: SentenceTransformer) -> Any:
    """Return a function from texts to unit vectors; texts are always texts, also where they name a file."""

    def encode(texts: Iterable[str]) -> np.ndarray:
        return np.asarray(model.encode([{"text": text} for text in texts], show_progress_bar=False, batch_size=64))

    return encode


def _digest(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()[:16]

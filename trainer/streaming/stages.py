"""The stages of a run on a stream: the cross-lingual network, then the cross-modal one, or both at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cl2cm_plugin.encoder import two_tower
from trainer.evaluation.together import together
from trainer.launch import Phase
from trainer.methods.joint import JointNetwork
from trainer.methods.stage import train
from trainer.streaming.damaged import DamagedPictures
from trainer.streaming.dev import DevFigures, dev_set
from trainer.streaming.items import CaptionedPictures, SentencePairs
from trainer.streaming.networks import Stream, StreamedCrossLingual, StreamedCrossModal
from trainer.streaming.pixels import PictureOpener
from trainer.streaming.towers import NothingCached, StreamedImage, StreamedText, Tokens
from trainer.towers.embedding import Embedder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sentence_transformers import SentenceTransformer

    from trainer.launch import Launch
    from trainer.methods.stage import Stage
    from trainer.recipe import Recipe
    from trainer.streaming.shards import Shards

# What these forms are taught does not come from stage 1.
_WITHOUT_TEACHER = ("off", "soft_labels")


class StreamedStages:
    """What a recipe trains, in order.

    Args:
        recipe: The recipe.
        shards: What it trains on.
        totals: How many sentence pairs and how many pictures the recipe takes of it.
        model: The model; the stages train it in place.
        folder: Where each stage keeps its checkpoint.
        damaged: The table of pictures that could not be opened.
        launch: The processes to train in.

    Attributes:
        texts: Encodes texts with the model as it stands, shared by the processes that train together.
        pictures: The same for files.
    """

    def __init__(
        self,
        recipe: Recipe,
        shards: Shards,
        totals: tuple[int, int],
        model: SentenceTransformer,
        folder: Path,
        damaged: Path,
        launch: Launch,
    ) -> None:
        self._recipe, self._shards, self._model = recipe, shards, model
        self._pairs = Stream(SentencePairs(shards.pairs, recipe), totals[0])
        self._pictures = Stream(CaptionedPictures(shards.pictures, recipe), totals[1])
        self._folder, self._damaged, self._launch = folder, damaged, launch
        self._text = StreamedText(model, recipe.model.trained_layers, recipe.model.text_dropout)
        self._image = StreamedImage(model, recipe.model.trained_image_layers, recipe.cross_modal.feature_dropout)
        self._tokens = Tokens(model)
        embedder = Embedder(self._text, self._image, NothingCached(model))  # type: ignore[arg-type]
        self.texts, self.pictures = together(embedder.texts), together(embedder.pictures)
        self._dev: DevFigures | None = None
        if recipe.dev_pictures and shards.dev:
            self._dev = DevFigures(dev_set(recipe, shards.dev), self.texts, self.pictures)

    def train(self) -> None:
        """Train every stage, or go on where a run was stopped."""
        settings, dev = self._recipe.cross_modal, self._dev
        if self._recipe.schedule == "joint":
            joint = JointNetwork(self._cross_lingual(), self._cross_modal(None))
            self._train(joint, "joint", dev.retrieval if dev else None, measured=True)
            return
        if self._recipe.cross_lingual.optimiser.epochs:
            stage_1 = self._cross_lingual()
            self._train(stage_1, "cross_lingual", dev.translation if dev else None, measured=False)
        if settings.optimiser.epochs:
            taught = settings.distillation.weight and settings.distillation.form not in _WITHOUT_TEACHER
            stage_2 = self._cross_modal(self._text.frozen_copy() if taught else None)
            self._train(stage_2, "cross_modal", dev.retrieval if dev else None, measured=True)

    def to_evaluate(self) -> None:
        """Move the towers to where the processes trained."""
        if torch.cuda.is_initialized():
            self._text.cuda()
            self._image.cuda()

    def _train(self, network: Stage, name: str, validate: Callable[[], float] | None, *, measured: bool) -> None:
        phases = self._recipe.phases
        measure = self._dev.by_language if self._dev and measured else None
        listeners = self._launch.callbacks(Phase(name, phases.index(name) + 1, len(phases), measure))
        train(network, self._folder / name, self._launch, validate, [DamagedPictures(self._damaged), *listeners])

    def _cross_lingual(self) -> StreamedCrossLingual:
        settings, seed = self._recipe.cross_lingual, self._recipe.seed
        return StreamedCrossLingual(self._text, settings, self._tokens, seed, self._pairs)

    def _cross_modal(self, teacher: StreamedText | None) -> StreamedCrossModal:
        settings, seed = self._recipe.cross_modal, self._recipe.seed + 1
        tower, augmented = two_tower.image_route(self._model)[0], self._image.backbone is not None
        opener = PictureOpener(tower, self._shards.folder, augmented)
        return StreamedCrossModal(
            self._text, self._image, settings, self._tokens, seed, self._pictures, opener, teacher
        )

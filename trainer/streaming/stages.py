"""The stages of a run on a stream: the cross-lingual network, then the cross-modal one, or both at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cl2cm_plugin.encoder import two_tower
from trainer.digest import digest
from trainer.evaluation.together import together
from trainer.launch import Phase
from trainer.methods.joint import JointNetwork
from trainer.methods.stage import train
from trainer.shared_networks import trained_once
from trainer.streaming.damaged import DAMAGED_PICTURES, DamagedPictures
from trainer.streaming.dev import DevFigures, dev_set
from trainer.streaming.items import CaptionedPictures, SentencePairs
from trainer.streaming.networks import Stream, StreamedCrossLingual, StreamedCrossModal
from trainer.streaming.pixels import PictureOpener
from trainer.streaming.towers import NothingCached, StreamedImage, StreamedText, Tokens
from trainer.towers.embedding import Embedder
from trainer.towers.frozen_text import states_key

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
# The lines of a recipe that its sentence pairs and what is learned from them depend on, besides those on the towers.
_ON_STAGE_1 = {"seed", "source_language", "target_languages", "origins", "same_picture", "cross_lingual"}


class StreamedStages:
    """What a recipe trains, in order.

    Args:
        recipe: The recipe.
        shards: What it trains on.
        totals: How many sentence pairs and how many pictures the recipe takes of it.
        model: The model; the stages train it in place.
        text_folder: The folder that its text backbone came from.
        folder: Where each stage keeps its checkpoint, and the table of damaged pictures.
        networks: A folder of finished cross-lingual networks to take from and to add to; None trains anew.
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
        text_folder: Path,
        folder: Path,
        networks: Path | None,
        launch: Launch,
    ) -> None:
        self._recipe, self._shards, self._model = recipe, shards, model
        self._text_folder, self._networks = text_folder, networks
        self._pairs = Stream(SentencePairs(shards.pairs, recipe), totals[0])
        self._pictures = Stream(CaptionedPictures(shards.pictures, recipe), totals[1])
        self._folder, self._launch = folder, launch
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
            self._train(joint, self._folder, "joint", dev.retrieval if dev else None, measured=True)
            return
        if self._recipe.cross_lingual.optimiser.epochs:
            self._make_cross_lingual()
        if settings.optimiser.epochs:
            taught = settings.distillation.weight and settings.distillation.form not in _WITHOUT_TEACHER
            stage_2 = self._cross_modal(self._text.frozen_copy() if taught else None)
            self._train(stage_2, self._folder, "cross_modal", dev.retrieval if dev else None, measured=True)

    def to_evaluate(self) -> None:
        """Move the towers to where the processes trained."""
        if torch.cuda.is_initialized():
            self._text.cuda()
            self._image.cuda()

    def _make_cross_lingual(self) -> None:
        """Train stage 1, or take it from the folder of finished networks."""
        if self._networks is None:
            self._train_cross_lingual(self._folder)
            return
        known = self._networks / self._cross_lingual_key()
        trained_once(known, [(self._text, "text.safetensors")], self._launch, self._train_cross_lingual)

    def _train_cross_lingual(self, folder: Path) -> None:
        validate = self._dev.translation if self._dev else None
        self._train(self._cross_lingual(), folder, "cross_lingual", validate, measured=False)

    def _cross_lingual_key(self) -> str:
        """Hash everything that the cross-lingual network depends on; shards count by their names and sizes."""
        recipe = self._recipe
        lines = recipe.model_dump_json(include=_ON_STAGE_1)
        tower = states_key(self._model, self._text_folder, recipe.model.trained_layers)
        form = f"{recipe.model.dimensions} {recipe.model.text_dropout}"
        sentences = self._dev.sentences if self._dev and recipe.cross_lingual.optimiser.patience else []
        return digest(["streamed", lines, tower, form, *self._shards.names_and_sizes(self._shards.pairs), *sentences])

    def _train(
        self, network: Stage, folder: Path, name: str, validate: Callable[[], float] | None, *, measured: bool
    ) -> None:
        phases = self._recipe.phases
        measure = self._dev.by_language if self._dev and measured else None
        damaged = DamagedPictures(self._folder / DAMAGED_PICTURES)
        listeners = self._launch.callbacks(Phase(name, phases.index(name) + 1, len(phases), measure))
        train(network, folder / name, self._launch, validate, [damaged, *listeners])

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

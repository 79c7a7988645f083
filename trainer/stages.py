"""The stages of a run in their order: the cross-lingual network, then the cross-modal one, or both at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from cl2cm_plugin.encoder.backbones import made_once
from trainer.digest import digest
from trainer.evaluation.retrieval import evaluate
from trainer.methods.cl2cm import CrossModalNetwork
from trainer.methods.cross_lingual import CrossLingualNetwork
from trainer.methods.joint import JointNetwork
from trainer.methods.stage import train
from trainer.recipe_forms import FrozenSources, Off
from trainer.towers.embedding import Embedder, FrozenParts, text_vectors
from trainer.towers.image import TrainedImage
from trainer.towers.trained_text import TrainedText

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import SentenceTransformer
    from torch import Tensor

    from trainer.corpus.training_data import TrainingData
    from trainer.methods.cl2cm import Teacher
    from trainer.recipe import CrossModal, Recipe

BACKBONE = "backbone"
"""Among the teachers of a recipe: the text backbone before any training."""

_WEIGHTS = "text.safetensors"


class Stages:
    """What a recipe trains, in order.

    Args:
        recipe: The recipe.
        data: What it trains on.
        model: The model; the stages train it in place.
        frozen: Its frozen parts.
        folder: Where each stage keeps its checkpoint.
        networks: A folder of finished cross-lingual networks to take from and to add to; None trains anew.

    Attributes:
        embedder: Encodes with the model as it stands.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: TrainingData,
        model: SentenceTransformer,
        frozen: FrozenParts,
        folder: Path,
        networks: Path | None,
    ) -> None:
        self._recipe, self._data, self._model, self._frozen = recipe, data, model, frozen
        self._text = TrainedText(model, recipe.model.trained_layers, dropout=recipe.model.text_dropout)
        dropout = recipe.cross_modal.feature_dropout, recipe.cross_modal.region_dropout
        self._image = TrainedImage(model, recipe.model.trained_image_layers, *dropout)
        self._regions = recipe.cross_modal.region_dropout > 0
        self._folder, self._networks = folder, networks
        self.embedder = Embedder(self._text, self._image, frozen)
        self._states = frozen.text_states(data.texts)

    def train(self, further_teachers: Sequence[dict[str, Tensor]]) -> None:
        """Train every stage, or go on where a run was stopped.

        Args:
            further_teachers: Vectors by sentence of models that teach beside stage 1's network.
        """
        if BACKBONE in getattr(self._recipe.cross_modal.distillation, "models", ()):
            further_teachers = [*further_teachers, self._backbone_vectors()]
        if self._recipe.schedule == "joint":
            self._train_joint(self._cross_lingual_network())
            return
        if self._sources_are_frozen:
            self._train_source_projections()
        self._train_cross_lingual()
        self._train_cross_modal(further_teachers)

    def _cross_lingual_network(self) -> CrossLingualNetwork:
        settings, pairs, untrained = self._recipe.cross_lingual, self._data.sentence_pairs, None
        if self._sources_are_frozen:
            pairs = [*pairs, *self._data.kept_captions]
            sources = dict.fromkeys(pair.source for pair in pairs)
            last_states = self._frozen.last_states(self._text, {text: self._states[text] for text in sources})
            untrained = TrainedText(self._model, 0), last_states
        return CrossLingualNetwork(self._text, settings, self._states, self._recipe.seed, pairs, untrained)

    def _train_source_projections(self) -> None:
        """Make the space that stage 1 works in, of pictures and source captions."""
        silent = {"target_weight": 0.0, "source_weight": 1.0, "distillation": Off(form="off")}
        settings = self._recipe.cross_modal.model_copy(update=silent)
        pooled = self._frozen.pooled_states(self._text, self._caption_states())
        self._train_projections(settings, "source_projections", pooled, None)

    @property
    def _sources_are_frozen(self) -> bool:
        settings = self._recipe.cross_lingual
        return isinstance(settings.sources, FrozenSources) and settings.optimiser.epochs > 0

    def _train_cross_lingual(self) -> None:
        if not self._recipe.cross_lingual.optimiser.epochs:
            return
        known = self._networks / self._cross_lingual_key() if self._networks else None
        if known is None or not known.is_dir():
            self._text.projection.requires_grad_(not self._sources_are_frozen)
            network, folder = self._cross_lingual_network(), self._folder / "cross_lingual"
            train(network, folder, self._recipe.compute, self._dev_translation)
            self._text.projection.requires_grad_(True)
        if known is not None:
            weights = {name: value.contiguous() for name, value in self._text.state_dict().items()}
            made_once(known, lambda folder: save_file(weights, folder / _WEIGHTS))
            self._text.load_state_dict(load_file(known / _WEIGHTS))
            self._text.eval()

    def _backbone_vectors(self) -> dict[str, Tensor]:
        """What the text backbone makes of the captions before any training: unit vectors of their mean states."""
        pooled = self._frozen.pooled_states(self._text, self._caption_states())
        return {text: F.normalize(mean[0], dim=0) for text, mean in pooled.items()}

    def _caption_states(self) -> dict[str, Tensor]:
        pictures = self._data.captioned_pictures
        captions = dict.fromkeys(text for row in pictures for text in (row.source, row.target) if text is not None)
        return {text: self._states[text] for text in captions}

    def _train_cross_modal(self, further_teachers: Sequence[dict[str, Tensor]]) -> None:
        settings = self._recipe.cross_modal
        needed = settings.projections_first.epochs or settings.distillation.weight
        pooled = self._frozen.pooled_states(self._text, self._caption_states()) if needed else {}
        # The teacher stays as it is from here on, so its vectors are all that stage 2 needs of it.
        vectors = text_vectors(TrainedText(self._model, 0), pooled)
        teacher = [vectors, *further_teachers] if further_teachers else vectors
        if settings.projections_first.epochs:
            self._train_projections(settings, "projections", pooled, teacher)
        if not settings.optimiser.epochs:
            return
        settings = settings.model_copy(update={"caption_mixing": 0})
        network = self._cross_modal_network(settings, teacher)
        train(network, self._folder / "cross_modal", self._recipe.compute, self._dev_retrieval)

    def _train_projections(
        self, settings: CrossModal, phase: str, pooled: dict[str, Tensor], teacher: Teacher
    ) -> None:
        """Train the projections alone, on what is computed once."""
        pictures = self._data.captioned_pictures
        settings = settings.model_copy(update={"optimiser": settings.projections_first})
        text = TrainedText(self._model, 0)
        image = TrainedImage(self._model, 0, settings.feature_dropout, settings.region_dropout)
        inputs = self._frozen.image_features([row.file for row in pictures], regions=self._regions).__getitem__
        network = CrossModalNetwork(text, image, settings, pooled, inputs, teacher, self._recipe.seed + 2, pictures)
        train(network, self._folder / phase, self._recipe.compute, self._dev_retrieval)

    def _train_joint(self, cross_lingual: CrossLingualNetwork) -> None:
        network = JointNetwork(cross_lingual, self._cross_modal_network(self._recipe.cross_modal, None))
        train(network, self._folder / "joint", self._recipe.compute, self._dev_retrieval)

    def _cross_modal_network(self, settings: CrossModal, teacher: Teacher) -> CrossModalNetwork:
        """Stage 2 with everything in training that the towers' lines call trained."""
        pictures, seed = self._data.captioned_pictures, self._recipe.seed + 1
        inputs = self._frozen.image_inputs([row.file for row in pictures], augmented=True, regions=self._regions)
        return CrossModalNetwork(self._text, self._image, settings, self._states, inputs, teacher, seed, pictures)

    def _cross_lingual_key(self) -> str:
        """Hash everything that the cross-lingual network depends on."""
        recipe, model = self._recipe, self._recipe.model
        numbers = recipe.seed, model.dimensions, model.text_dropout
        settings = [recipe.cross_lingual.model_dump_json(), *map(str, numbers)]
        if self._sources_are_frozen:
            settings += self._space()
        pairs = (f"{pair.source}\t{pair.target}" for pair in self._data.sentence_pairs)
        dev = (text for captions in self._data.dev.captions.values() for _, text in captions)
        return digest([*settings, self._frozen.text_key, *pairs, *dev])

    def _space(self) -> list[str]:
        """List what the space of frozen sources depends on."""
        forms = {"projections_first", "matching", "temperature", "feature_dropout", "region_dropout", "caption_mixing"}
        captions = (f"{Path(row.file).name}\t{row.source}" for row in self._data.captioned_pictures)
        return [self._recipe.cross_modal.model_dump_json(include=forms), self._frozen.image_key, *captions]

    def _dev_retrieval(self) -> float:
        """SumR between pictures and captions of the dev cut, mean of the languages."""
        images = self.embedder.pictures(self._data.dev.files)
        return float(np.mean([self._sum_r(images, rows) for rows in self._data.dev.captions.values()]))

    def _dev_translation(self) -> float:
        """SumR between captions and translations of the dev cut, mean of the languages."""
        figures = []
        for pairs in self._data.dev.pairs.values():
            sources = self.embedder.texts([source for source, _ in pairs])
            figures.append(self._sum_r(sources, [(row, target) for row, (_, target) in enumerate(pairs)]))
        return float(np.mean(figures))

    def _sum_r(self, gallery: np.ndarray, captions: list[tuple[int, str]]) -> float:
        texts = self.embedder.texts([text for _, text in captions])
        return evaluate(gallery, texts, [row for row, _ in captions]).sum_r

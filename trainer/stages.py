"""The stages of a run in their order: the cross-lingual network, then the cross-modal one, or both at once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch.nn.functional as F

from cl2cm_plugin.errors import UserError
from trainer.digest import digest
from trainer.evaluation.retrieval import evaluate
from trainer.launch import Phase
from trainer.methods.cl2cm import CrossModalNetwork
from trainer.methods.cross_lingual import CrossLingualNetwork
from trainer.methods.joint import JointNetwork
from trainer.methods.stage import train
from trainer.recipe_forms import Off
from trainer.shared_networks import trained_once
from trainer.towers.embedding import Embedder, FrozenParts, text_vectors
from trainer.towers.image import TrainedImage
from trainer.towers.trained_text import TrainedText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sentence_transformers import SentenceTransformer
    from torch import Tensor, nn

    from trainer.corpus.training_data import TrainingData
    from trainer.evaluation.retrieval import Retrieval
    from trainer.launch import Launch
    from trainer.methods.cl2cm import Teacher
    from trainer.methods.stage import Stage
    from trainer.recipe import CrossModal, Recipe

    EncodeTexts = Callable[[Sequence[str]], np.ndarray]

BACKBONE = "backbone"
"""Among the teachers of a recipe: the text backbone before any training."""

_FORMAT, _TEXT, _PROJECTION, _IMAGE = "3", "text.safetensors", "text_projection.safetensors", "image.safetensors"


class Stages:
    """What a recipe trains, in order.

    Args:
        recipe: The recipe.
        data: What it trains on.
        model: The model; the stages train it in place.
        frozen: Its frozen parts.
        folder: Where each stage keeps its checkpoint.
        networks: A folder of finished cross-lingual networks to take from and to add to; None trains anew.
        launch: The processes to train in.

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
        launch: Launch,
    ) -> None:
        self._recipe, self._data, self._model, self._frozen = recipe, data, model, frozen
        self._text = TrainedText(model, recipe.model.trained_layers, dropout=recipe.model.text_dropout)
        dropout = recipe.cross_modal.feature_dropout, recipe.cross_modal.region_dropout
        self._image = TrainedImage(model, recipe.model.trained_image_layers, *dropout)
        self._folder, self._networks, self._launch = folder, networks, launch
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
        if self._recipe.cross_lingual.optimiser.epochs:
            self._make_cross_lingual()
        self._train_cross_modal(further_teachers)

    def _cross_lingual_network(self) -> CrossLingualNetwork:
        settings, pairs, untrained = self._recipe.cross_lingual, self._data.sentence_pairs, None
        if self._recipe.cross_lingual.freezes_sources:
            pairs = [*pairs, *self._data.kept_captions]
            sources = dict.fromkeys(pair.source for pair in pairs)
            with self._launch.in_turn():
                last_states = self._frozen.last_states(self._text, {text: self._states[text] for text in sources})
            untrained = TrainedText(self._model, 0), last_states
        return CrossLingualNetwork(self._text, settings, self._states, self._recipe.seed, pairs, untrained)

    def _make_cross_lingual(self) -> None:
        """Train stage 1, or take it from the folder of finished networks."""
        if self._networks is None:
            self._train_stage_1(self._folder)
            return
        known = self._networks / self._cross_lingual_key()
        trained_once(known, self._made_by_stage_1(), self._launch, self._train_stage_1)

    def _made_by_stage_1(self) -> list[tuple[nn.Module, str]]:
        """List what stage 1 trains, and the file of each: with frozen sources the projection of pictures as well."""
        parts: list[tuple[nn.Module, str]] = [(self._text, _TEXT)]
        return [*parts, (self._image.projection, _IMAGE)] if self._recipe.cross_lingual.freezes_sources else parts

    def _train_stage_1(self, folder: Path) -> None:
        if self._recipe.cross_lingual.freezes_sources:
            self._make_space(folder)
        self._train_cross_lingual(folder)

    def _make_space(self, folder: Path) -> None:
        """Train the space of frozen sources, or take it from the folder of finished networks: many may work in it."""
        if self._networks is None:
            self._train_source_projections(folder)
            return
        parts: list[tuple[nn.Module, str]] = [(self._text.projection, _PROJECTION), (self._image.projection, _IMAGE)]
        trained_once(self._networks / self._space_key(), parts, self._launch, self._train_source_projections)

    def _train_cross_lingual(self, folder: Path) -> None:
        if self._recipe.cross_lingual.optimiser.patience and not self._data.dev.pairs:
            raise UserError(
                "cross_lingual.optimiser.patience waits for gains between captions and translations of the dev cut, "
                "which has no translation: set it to 0, or keep more pictures back (dev_pictures)."
            )
        self._text.projection.requires_grad_(not self._recipe.cross_lingual.freezes_sources)
        measure = self._dev_figures if self._recipe.cross_lingual.freezes_sources else None
        self._train(self._cross_lingual_network(), folder, "cross_lingual", self._dev_translation, measure)
        self._text.projection.requires_grad_(True)

    def _train_source_projections(self, folder: Path) -> None:
        """Make the space that stage 1 works in, of pictures and source captions."""
        silent = {"target_weight": 0.0, "source_weight": 1.0, "distillation": Off(form="off")}
        settings = self._space.model_copy(update=silent)
        self._train_projections(settings, folder, "source_projections", self._pooled_captions(), None)

    @property
    def _space(self) -> CrossModal:
        return self._recipe.cross_lingual.space or self._recipe.cross_modal

    def _train(
        self,
        network: Stage,
        folder: Path,
        name: str,
        validate: Callable[[], float],
        measure: Callable[[], dict[str, Retrieval]] | None,
    ) -> None:
        phases = self._recipe.phases
        listeners = self._launch.callbacks(Phase(name, phases.index(name) + 1, len(phases), measure))
        train(network, folder / name, self._launch, validate, listeners)

    def _backbone_vectors(self) -> dict[str, Tensor]:
        """What the text backbone makes of the captions before any training: unit vectors of their mean states."""
        pooled = self._pooled_captions()
        return {text: F.normalize(mean[0], dim=0) for text, mean in pooled.items()}

    def _pooled_captions(self) -> dict[str, Tensor]:
        """What the projection of the text tower takes of every caption and translation, as the layers stand."""
        pictures = self._data.captioned_pictures
        captions = dict.fromkeys(text for row in pictures for text in (row.source, row.target) if text is not None)
        return self._pooled(captions)

    def _pooled(self, texts: Iterable[str]) -> dict[str, Tensor]:
        with self._launch.in_turn():
            return self._frozen.pooled_states(self._text, {text: self._states[text] for text in texts})

    def _train_cross_modal(self, further_teachers: Sequence[dict[str, Tensor]]) -> None:
        settings = self._recipe.cross_modal
        needed = settings.projections_first.epochs or settings.distillation.weight
        pooled = self._pooled_captions() if needed else {}
        # The teacher stays as it is from here on, so its vectors are all that stage 2 needs of it.
        vectors = text_vectors(TrainedText(self._model, 0), pooled)
        teacher = [vectors, *further_teachers] if further_teachers else vectors
        if settings.projections_first.epochs:
            self._train_projections(settings, self._folder, "projections", pooled, teacher)
        if not settings.optimiser.epochs:
            return
        settings = settings.model_copy(update={"caption_mixing": 0})
        network = self._cross_modal_network(settings, teacher)
        self._train(network, self._folder, "cross_modal", self._dev_retrieval, self._dev_figures)

    def _train_projections(
        self, settings: CrossModal, folder: Path, name: str, pooled: dict[str, Tensor], teacher: Teacher
    ) -> None:
        """Train the projections alone, on what is computed once."""
        pictures = self._data.captioned_pictures
        settings = settings.model_copy(update={"optimiser": settings.projections_first})
        text = TrainedText(self._model, 0)
        image = TrainedImage(self._model, 0, settings.feature_dropout, settings.region_dropout)
        files, regions = [row.file for row in pictures], settings.region_dropout > 0
        with self._launch.in_turn():
            inputs = self._frozen.image_features(files, regions=regions).__getitem__
        network = CrossModalNetwork(text, image, settings, pooled, inputs, teacher, self._recipe.seed + 2, pictures)

        dev_states = cache(lambda: self._pooled(self._data.dev.texts))

        def measure() -> dict[str, Retrieval]:
            vectors = text_vectors(text, dev_states())
            return self._figures(lambda texts: np.stack([vectors[sentence].numpy() for sentence in texts]))

        self._train(network, folder, name, self._dev_retrieval, measure)

    def _train_joint(self, cross_lingual: CrossLingualNetwork) -> None:
        network = JointNetwork(cross_lingual, self._cross_modal_network(self._recipe.cross_modal, None))
        self._train(network, self._folder, "joint", self._dev_retrieval, self._dev_figures)

    def _cross_modal_network(self, settings: CrossModal, teacher: Teacher) -> CrossModalNetwork:
        """Stage 2 with everything in training that the towers' lines call trained."""
        pictures, seed = self._data.captioned_pictures, self._recipe.seed + 1
        files, regions = [row.file for row in pictures], settings.region_dropout > 0
        with self._launch.in_turn():
            inputs = self._frozen.image_inputs(files, augmented=True, regions=regions)
        return CrossModalNetwork(self._text, self._image, settings, self._states, inputs, teacher, seed, pictures)

    def _cross_lingual_key(self) -> str:
        """Hash everything that the cross-lingual network depends on."""
        recipe, model = self._recipe, self._recipe.model
        numbers = recipe.seed, model.dimensions, model.text_dropout, recipe.compute.precision
        settings = [recipe.cross_lingual.model_dump_json(), *map(str, numbers)]
        if self._recipe.cross_lingual.freezes_sources:
            settings += self._space_facts()
        pairs = (f"{pair.source}\t{pair.target}" for pair in self._data.sentence_pairs)
        return digest([_FORMAT, *settings, self._frozen.text_key, *pairs, *self._data.dev.texts])

    def _space_key(self) -> str:
        """Hash everything that the space of frozen sources depends on."""
        recipe, data = self._recipe, self._data
        numbers = map(str, (recipe.seed, recipe.model.dimensions, recipe.compute.precision))
        targets = (row.target or "" for row in data.captioned_pictures)
        facts = [*numbers, *self._space_facts(), self._frozen.text_key, *targets, *data.dev.texts]
        return f"space-{digest([_FORMAT, *facts])}"

    def _space_facts(self) -> list[str]:
        """List what the space of frozen sources depends on."""
        forms = {"projections_first", "matching", "temperature", "feature_dropout", "region_dropout", "caption_mixing"}
        captions = (f"{Path(row.file).name}\t{row.source}" for row in self._data.captioned_pictures)
        return [self._space.model_dump_json(include=forms), self._frozen.image_key, *captions]

    def _dev_retrieval(self) -> float:
        """SumR between pictures and captions of the dev cut, mean of the languages."""
        return float(np.mean([found.sum_r for found in self._dev_figures().values()]))

    def _dev_figures(self) -> dict[str, Retrieval]:
        """Measure retrieval between pictures and captions of the dev cut by language."""
        return self._figures(self.embedder.texts)

    def _figures(self, encode_texts: EncodeTexts) -> dict[str, Retrieval]:
        images = self.embedder.pictures(self._data.dev.files)
        return {
            language: _retrieval(images, captions, encode_texts)
            for language, captions in self._data.dev.captions.items()
        }

    def _dev_translation(self) -> float:
        """SumR between captions and translations of the dev cut, mean of the languages."""
        figures = []
        for pairs in self._data.dev.pairs.values():
            sources = self.embedder.texts([source for source, _ in pairs])
            targets = [(row, target) for row, (_, target) in enumerate(pairs)]
            figures.append(_retrieval(sources, targets, self.embedder.texts).sum_r)
        return float(np.mean(figures))


def _retrieval(gallery: np.ndarray, captions: list[tuple[int, str]], encode_texts: EncodeTexts) -> Retrieval:
    texts = encode_texts([text for _, text in captions])
    return evaluate(gallery, texts, [row for row, _ in captions])

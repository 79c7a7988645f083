"""Stage 1 of CL2CM: the cross-lingual network, on sentences and their translations.

One multilingual text tower encodes both languages. ``L_CL = L_sent(s, t) + weight * L_word`` (our reading of the
total; the paper's weights are not public). Where the recipe freezes the sources, translations learn to go where the
untrained backbone and a projection that pictures made have them, and their distance to it is added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from trainer.methods.gathering import share
from trainer.methods.matching import Matching
from trainer.methods.stage import Stage
from trainer.methods.word_level import word_level
from trainer.recipe_forms import FrozenSources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from trainer.corpus.training_data import SentencePair
    from trainer.recipe import CrossLingual
    from trainer.towers.trained_text import TrainedText

    # Source and translations: word vectors, shapes (B, m, d) and (B, n, d), and their masks.
    Words = tuple[Tensor, Tensor, Tensor, Tensor]


class CrossLingualNetwork(Stage):
    """Sentence level and word level alignment of two languages, each in the form that the recipe chooses.

    Args:
        text: The trained part of the text tower.
        settings: The recipe's lines on this stage.
        states: Frozen states by sentence.
        seed: Seeds order and dropout.
        items: The sentence pairs to train on; where sources are frozen, also sentences of the source language as
            translations of themselves, so that it stays in its place.
        untrained: Where sources are frozen: the projection alone, and the last states of the sources' tokens as the
            untrained backbone gives them, by sentence. Neither is trained.
    """

    def __init__(
        self,
        text: TrainedText,
        settings: CrossLingual,
        states: dict[str, Tensor],
        seed: int,
        items: Sequence[SentencePair] = (),
        untrained: tuple[TrainedText, dict[str, Tensor]] | None = None,
    ) -> None:
        super().__init__("Stage 1, cross-lingual network", settings.optimiser, seed, items)
        self.text = text
        self.settings = settings
        self.matching = Matching(settings.sentence, settings.temperature)
        self._states = states
        self.untrained = untrained[0] if untrained else None
        self._source_states = untrained[1] if untrained else states

    def collate(self, items: list[SentencePair]) -> dict[str, Any]:
        """Look up the frozen states of some sentence pairs."""
        return {
            "source": [self._source_states[item.source] for item in items],
            "target": [self._states[item.target] for item in items],
            "group": torch.tensor([item.group for item in items]),
        }

    def text_parameters(self) -> list[nn.Parameter]:
        """List the parameters of the text backbone's trained layers."""
        return self.text.backbone_parameters()

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Compute the sentence level, the word level where it has a weight, and the distance to frozen sources."""
        word = self.settings.word_alignment
        source, target, words = self._encoded(batch) if self.untrained is None else self._to_frozen(batch)
        losses = {"sentence": self.matching(*self.gathered(source, target, batch["group"]))}
        part = share(len(source), source.device)
        if isinstance(self.settings.sources, FrozenSources) and self.settings.sources.regression:
            distance = (source - target).square().sum(dim=1).mean()
            losses["regression"] = self.settings.sources.regression * part * distance
        if words:
            # A word is compared with those of its own sentence pair alone, so nothing has to be gathered.
            losses["word"] = word.weight * part * word_level(word, *words)
        return losses

    def _encoded(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor, Words | None]:
        """Encode both sides with the network: unit vectors, and words where their level has a weight."""
        both = [*batch["source"], *batch["target"]]
        if not self.settings.word_alignment.weight:
            source, target = self.text(both).chunk(2)
            return source, target, None
        encoded = self.text.with_words(both)
        source, target = encoded.sentences.chunk(2)
        (source_words, target_words), (source_mask, target_mask) = encoded.words.chunk(2), encoded.mask.chunk(2)
        return source, target, (source_words, target_words, source_mask, target_mask)

    def _to_frozen(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor, Words | None]:
        """Encode the sources as the untrained backbone has them, and the translations with the network."""
        assert self.untrained is not None
        if not self.settings.word_alignment.weight:
            with torch.no_grad():
                source = self.untrained(batch["source"])
            return source, self.text(batch["target"]), None
        with torch.no_grad():
            sources = self.untrained.with_words(batch["source"])
        targets = self.text.with_words(batch["target"])
        return sources.sentences, targets.sentences, (sources.words, targets.words, sources.mask, targets.mask)

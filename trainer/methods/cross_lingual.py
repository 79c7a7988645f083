"""Stage 1 of CL2CM: the cross-lingual network, on sentences and their translations.

One multilingual text tower encodes both languages. ``L_CL = L_sent(s, t) + weight * L_word`` (our reading of the
total; the paper's weights are not public).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from trainer.methods.gathering import share
from trainer.methods.matching import Matching
from trainer.methods.stage import Stage
from trainer.methods.word_level import word_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from trainer.corpus.training_data import SentencePair
    from trainer.recipe import CrossLingual
    from trainer.towers.text import TrainedText


class CrossLingualNetwork(Stage):
    """Sentence level and word level alignment of two languages, each in the form that the recipe chooses.

    Args:
        text: The trained part of the text tower.
        settings: The recipe's lines on this stage.
        states: Frozen states by sentence.
        seed: Seeds order and dropout.
        items: The sentence pairs to train on.
    """

    def __init__(
        self,
        text: TrainedText,
        settings: CrossLingual,
        states: dict[str, Tensor],
        seed: int,
        items: Sequence[SentencePair] = (),
    ) -> None:
        super().__init__("Stage 1, cross-lingual network", settings.optimiser, seed, items)
        self.text = text
        self.settings = settings
        self.matching = Matching(settings.sentence, settings.temperature)
        self._states = states

    def collate(self, items: list[SentencePair]) -> dict[str, Any]:
        """Look up the frozen states of some sentence pairs."""
        return {
            "source": [self._states[item.source] for item in items],
            "target": [self._states[item.target] for item in items],
            "group": torch.tensor([item.group for item in items]),
        }

    def text_parameters(self) -> list[nn.Parameter]:
        """List the parameters of the text backbone's trained layers."""
        return self.text.backbone_parameters()

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Compute the sentence level, and the word level where it has a weight."""
        word = self.settings.word_alignment
        both = [*batch["source"], *batch["target"]]
        if not word.weight:
            source, target = self.text(both).chunk(2)
            return {"sentence": self.matching(*self.gathered(source, target, batch["group"]))}
        encoded = self.text.with_words(both)
        source, target = encoded.sentences.chunk(2)
        losses = {"sentence": self.matching(*self.gathered(source, target, batch["group"]))}
        # A word is compared with those of its own sentence pair alone, so nothing has to be gathered.
        words, masks = encoded.words.chunk(2), encoded.mask.chunk(2)
        losses["word"] = word.weight * share(len(source), source.device) * word_level(word, *words, *masks)
        return losses

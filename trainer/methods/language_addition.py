"""A further language for a trained model, learned from sentences alone: its image tower is never run.

The model as it was teaches: ``L = w_t L_con(t, y_s) + w_s L_con(t, s) + w_d |t - y_s|^2 + w_r |k - y_k|^2 [+ L_word]``
with translations ``t``, source sentences ``s``, sentences ``k`` of the languages already there (source sentences among
them), and ``y`` the old model's vectors. Since ``y`` stays where it was, so does every picture that was found by it.

Source: the two squared distances are the multilingual distillation of Reimers and Gurevych (2020, equation 1), who
teach a translation its source sentence's vector and keep that of the source sentence; ``L_con`` and ``L_word`` are
those of CL2CM's first stage. Putting them together, and replaying sentences of other languages, is our reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from trainer.methods.gathering import share
from trainer.methods.stage import Stage
from trainer.methods.word_level import word_level
from trainer.objectives.contrastive import contrastive
from trainer.objectives.embedding_distillation import embedding_distillation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from trainer.corpus.training_data import SentencePair
    from trainer.language_recipe import LanguageAddition
    from trainer.towers.trained_text import TrainedText


@dataclass(frozen=True)
class _Item:
    """A sentence pair, and the sentences of known languages that take turns beside it, one an epoch."""

    pair: SentencePair
    known: Sequence[str]

    @property
    def group(self) -> int:
        return self.pair.group


class LanguageAdditionNetwork(Stage):
    """The text tower on sentence pairs of a new language, held to the vectors of the model that it was.

    Args:
        text: The trained part of the text tower.
        settings: How the language is added.
        states: Frozen states by sentence.
        taught: The old model's unit vectors, shape (d,), by source sentence and known sentence.
        pairs: The sentence pairs to train on.
        known: Further sentences of the languages already there; each comes once before any comes again.
    """

    def __init__(
        self,
        text: TrainedText,
        settings: LanguageAddition,
        states: Mapping[str, Tensor],
        taught: Mapping[str, Tensor],
        pairs: Sequence[SentencePair],
        known: Sequence[str] = (),
    ) -> None:
        # One pair of a group comes an epoch, so it is the groups that share the known sentences out.
        groups = list(dict.fromkeys(pair.group for pair in pairs))
        shares = {group: known[place :: len(groups)] for place, group in enumerate(groups)}
        items = [_Item(pair, shares[pair.group]) for pair in pairs]
        super().__init__("Adding a language", settings.optimiser, settings.seed, items)
        self.text = text
        self.settings = settings
        self._states, self._taught = states, taught

    def collate(self, items: list[Any]) -> dict[str, Any]:
        """Look up frozen states and the old model's vectors of sentence pairs and this epoch's known sentences."""
        pairs = [item.pair for item in items]
        known = [item.known[self.current_epoch % len(item.known)] for item in items if item.known]
        return {
            "source": [self._states[pair.source] for pair in pairs],
            "target": [self._states[pair.target] for pair in pairs],
            "known": [self._states[sentence] for sentence in known],
            "taught_source": torch.stack([self._taught[pair.source] for pair in pairs]),
            "taught": torch.stack([self._taught[text] for text in [*(pair.source for pair in pairs), *known]]),
            "group": torch.tensor([pair.group for pair in pairs]),
        }

    def text_parameters(self) -> list[nn.Parameter]:
        """List the parameters of the text backbone that are trained."""
        return self.text.backbone_parameters()

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Compute the losses that have a weight."""
        settings, losses = self.settings, {}
        source, target, word = self._encoded(batch)
        rows = self.gathered(source, target, batch["taught_source"], batch["group"])
        sources, targets, taught, groups = rows
        if settings.teacher_weight:
            loss = contrastive(targets, taught, groups, settings.temperature)
            losses["teacher"] = settings.teacher_weight * loss
        if settings.student_weight:
            loss = contrastive(targets, sources, groups, settings.temperature)
            losses["student"] = settings.student_weight * loss
        if settings.distillation_weight:
            loss = share(len(target), target.device) * embedding_distillation(target, batch["taught_source"])
            losses["distillation"] = settings.distillation_weight * loss
        if settings.replay_weight:
            kept = torch.cat([source, self.text(batch["known"])])
            loss = share(len(kept), kept.device) * embedding_distillation(kept, batch["taught"])
            losses["replay"] = settings.replay_weight * loss
        if word is not None:
            losses["word"] = share(len(source), source.device) * word
        return losses

    def _encoded(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor | None]:
        """Source sentences, translations, and the word level between them where it has a weight."""
        both, choice = [*batch["source"], *batch["target"]], self.settings.word_alignment
        if not choice.weight:
            source, target = self.text(both).chunk(2)
            return source, target, None
        encoded = self.text.with_words(both)
        source, target = encoded.sentences.chunk(2)
        return source, target, choice.weight * word_level(choice, *encoded.words.chunk(2), *encoded.mask.chunk(2))

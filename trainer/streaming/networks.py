"""The networks of both stages on a stream: losses are those of `trainer.methods`, batches come from shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from trainer.methods.cl2cm import CrossModalNetwork
from trainer.methods.cross_lingual import CrossLingualNetwork
from trainer.methods.distillation import Views, distil
from trainer.methods.gathering import share
from trainer.streaming.batches import StreamedBatches, loader
from trainer.streaming.pixels import DamagedPicture
from trainer.streaming.towers import Beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from trainer.corpus.training_data import SentencePair
    from trainer.recipe import CrossLingual, CrossModal
    from trainer.streaming.items import Items, PictureRow
    from trainer.streaming.pixels import OpenedPicture
    from trainer.streaming.towers import StreamedImage, StreamedText, Tokens

DAMAGED = "damaged"
"""Where a batch names the pictures that could not be opened, each with the reason."""


@dataclass(frozen=True)
class Stream:
    """What a stage trains on.

    Attributes:
        items: The items.
        total: How many an epoch has.
    """

    items: Items
    total: int

    def batches(self, batch_size: int, seed: int, process: int, processes: int) -> StreamedBatches:
        """Give a process its share of the batches of an epoch."""
        return StreamedBatches(self.items, self.total, batch_size, seed, process, processes)


class StreamedCrossLingual(CrossLingualNetwork):
    """Stage 1 on a stream of sentence pairs.

    Args:
        text: The text tower from token ids on.
        settings: The recipe's lines on this stage.
        tokens: Token ids by sentence.
        seed: Seeds order and dropout.
        stream: The sentence pairs.
    """

    def __init__(self, text: StreamedText, settings: CrossLingual, tokens: Tokens, seed: int, stream: Stream) -> None:
        super().__init__(text, settings, tokens, seed)  # type: ignore[arg-type]
        self._stream = stream

    def loader(self, process: int = 0, processes: int = 1) -> Iterable[Any]:
        """Give this process its share of the batches of an epoch."""
        batches = self._stream.batches(self.optimiser.batch_size, self.seed, process, processes)
        return loader(batches, _as_it_is, self.collate, self.workers)

    def collate(self, items: list[SentencePair]) -> dict[str, Any]:
        """Put sentence pairs into a batch as token ids."""
        return _of_whole_numbers(super().collate(items))

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Compute the losses of `CrossLingualNetwork`; a process without rows joins in: the others wait for it."""
        if batch["source"]:
            return super().losses(batch)
        nothing = self.text([])
        losses = {"sentence": self.matching(*self.gathered(nothing, nothing, batch["group"]))}
        share(0, nothing.device)
        return losses


class StreamedCrossModal(CrossModalNetwork):
    """Stage 2 on a stream of captioned pictures.

    Args:
        text: The text tower from token ids on; starts from stage 1's weights.
        image: The image tower from pixels on.
        settings: The recipe's lines on this stage.
        tokens: Token ids by sentence.
        seed: Seeds order, crops and dropout.
        stream: The captioned pictures.
        opened: Opens one of them.
        teacher: A copy of stage 1's text tower, which encodes the captions of each batch; None where distillation
            needs none, or where both stages are trained at once.
    """

    def __init__(
        self,
        text: StreamedText,
        image: StreamedImage,
        settings: CrossModal,
        tokens: Tokens,
        seed: int,
        stream: Stream,
        opened: Callable[[PictureRow], OpenedPicture | DamagedPicture],
        teacher: StreamedText | None,
    ) -> None:
        super().__init__(text, image, settings, tokens, _as_it_is, None, seed)  # type: ignore[arg-type]
        self._stream, self._opened = stream, opened
        self.teacher = Beside(teacher) if teacher else None

    def loader(self, process: int = 0, processes: int = 1) -> Iterable[Any]:
        """Give this process its share of the batches of an epoch."""
        batches = self._stream.batches(self.optimiser.batch_size, self.seed, process, processes)
        return loader(batches, self._opened, self.collate, self.workers)

    def collate(self, items: list[Any]) -> dict[str, Any]:
        """Put opened pictures into a batch with the token ids of their captions; damaged ones are named."""
        opened = [item for item in items if not isinstance(item, DamagedPicture)]
        batch = _of_whole_numbers(super().collate(opened))
        batch[DAMAGED] = [(item.media_id, item.reason) for item in items if isinstance(item, DamagedPicture)]
        if self.teacher:
            paired = [item for item in opened if item.source is not None and item.target is not None]
            for side in ("source", "target"):
                batch[f"taught_{side}"] = [self._states[getattr(item, side)] for item in paired]
        return batch

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Compute the losses of `CrossModalNetwork`; where nothing is left to match, every weight still takes part."""
        losses = super().losses(batch)
        if len(batch["group"]) < 2:
            # Processes wait for each other's gradients, one by one.
            trained = [parameter.sum() for parameter in self.parameters() if parameter.requires_grad]
            losses["nothing"] = 0 * torch.stack(trained).sum()
        return losses

    def _distillation(self, batch: dict[str, Any], images: Tensor, sources: Tensor, targets: Tensor) -> Tensor:
        paired = batch["paired_targets"]
        images, targets = images[batch["target_rows"]][paired], targets[paired]
        own = [sources[batch["paired_sources"]]] if self.settings.source_weight else []
        # A process without rows joins in all the same: the others wait for it.
        images, targets, *others = self.gathered(images, targets, *self._taught(batch, own, targets), *own)
        if len(images) < 2:
            return images.sum() * 0
        known = others[2] if own else None
        return distil(self.settings.distillation, Views(images, targets, known, others[:1], others[1:2]))

    def _taught(self, batch: dict[str, Any], own: list[Tensor], targets: Tensor) -> list[Tensor]:
        """What the teacher makes of captions and translations; where there is none, the tower as it stands."""
        if self.teacher is None:
            return [own[0].detach(), targets.detach()]
        (teacher,) = self.teacher.modules_beside
        with torch.no_grad():
            return [teacher(batch["taught_source"]), teacher(batch["taught_target"])]


def _as_it_is(item: Any) -> Any:
    return item


def _of_whole_numbers(batch: dict[str, Any]) -> dict[str, Any]:
    # Of no groups torch does not know it.
    return {**batch, "group": batch["group"].long()}

"""Both networks in one stage: the alternative to CL2CM's two, and, without its parts, the universal baseline.

Every step takes a batch of pictures and a batch of sentence pairs; both networks share the text tower, and the losses
of both are added up. There is no frozen teacher: distillation, where it has a weight, learns from the relations of
captions and translations as the text tower sees them at that step (our reading of one-stage training).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightning.pytorch.utilities.combined_loader import CombinedLoader

from trainer.methods.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

    from trainer.methods.cl2cm import CrossModalNetwork
    from trainer.methods.cross_lingual import CrossLingualNetwork


class JointNetwork(Stage):
    """The cross-lingual and the cross-modal network, trained together under the latter's optimiser settings.

    Args:
        cross_lingual: Stage 1's network.
        cross_modal: Stage 2's network, on the same text tower.
    """

    def __init__(self, cross_lingual: CrossLingualNetwork, cross_modal: CrossModalNetwork) -> None:
        super().__init__("Both networks at once", cross_modal.optimiser, cross_modal.seed, cross_modal.items)
        self.cross_lingual, self.cross_modal = cross_lingual, cross_modal

    def text_parameters(self) -> list[nn.Parameter]:
        """List the parameters of the text backbone's trained layers."""
        return self.cross_modal.text_parameters()

    def image_parameters(self) -> list[nn.Parameter]:
        """List the parameters of the image backbone's trained layers."""
        return self.cross_modal.image_parameters()

    def loader(self, process: int = 0, processes: int = 1) -> Iterable[Any]:
        """Pair the batches of both; an epoch is a pass over the pictures, and sentence pairs fill it."""
        networks = {"pictures": self.cross_modal, "pairs": self.cross_lingual}
        loaders: dict[str, Any] = {name: network.loader(process, processes) for name, network in networks.items()}
        # Where there are fewer batches of pairs, they come again.
        fewer_pairs = len(loaders["pairs"]) < len(loaders["pictures"])
        return CombinedLoader(loaders, "max_size_cycle" if fewer_pairs else "min_size")

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Compute the losses of both networks."""
        return {**self.cross_lingual.losses(batch["pairs"]), **self.cross_modal.losses(batch["pictures"])}

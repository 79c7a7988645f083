"""The image tower in training: the projection of frozen features, or upper layers and projection on pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cl2cm_plugin.encoder import two_tower
from cl2cm_plugin.errors import UserError
from trainer.towers.frame_pooling import clip_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import SentenceTransformer

    from trainer.towers.layers import TrainedLayers


# Where EfficientNet, ViT and CLIP keep their layers, and what runs after those.
_LAYERS = ("blocks", "layers", "layer")
_ABOVE = ("top_conv", "top_bn", "post_layernorm", "layernorm", "pooler")


class TrainedImage(nn.Module):
    """The trained part of the image tower: its projection, and upper layers of the backbone where a recipe says so.

    A frozen backbone takes no part: `forward` then gets its features. Otherwise it gets pixels. Batch normalisation
    stays in evaluation mode: its statistics come from far more pictures than there are here.

    Args:
        model: The model in training; its modules are shared, not copied.
        trained_layers: How many upper layers (blocks) of the backbone are trained; ``all`` trains all of it.
        feature_dropout: Share of the features that is dropped in training.
        region_dropout: Chance that a region is left out of a picture's features in training.

    Raises:
        UserError: The backbone keeps its layers where they are not looked for, or has fewer.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        trained_layers: TrainedLayers = 0,
        feature_dropout: float = 0.0,
        region_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        transformer, projection = two_tower.image_route(model)
        self.projection = projection.linear
        self._feature_dropout, self._region_dropout = feature_dropout, region_dropout
        self.backbone = transformer.model if trained_layers else None
        if self.backbone is not None:
            _freeze_below(self.backbone, trained_layers)

    def backbone_parameters(self) -> list[nn.Parameter]:
        """List the parameters of the backbone that are trained."""
        return [] if self.backbone is None else [p for p in self.backbone.parameters() if p.requires_grad]

    def train(self, mode: bool = True) -> TrainedImage:
        """Switch dropout on or off; batch normalisation stays as it is."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Encode pictures, and clips by the mean of their frames' unit vectors.

        Args:
            inputs: A picture or clip each: features of a frozen backbone, shape (frames, d_image), or those of its
                regions, shape (frames, regions, d_image), or pixels, shape (frames, 3, height, width); one frame is a
                picture.

        Returns:
            Unit vectors, shape (len(inputs), d).
        """
        # Cached features are in half precision, which autocast to bfloat16 does not join on a CPU.
        device = self.projection.weight.device
        return clip_vectors(self._project, [frames.to(device, torch.float32) for frames in inputs])

    def _project(self, frames: Tensor) -> Tensor:
        if self.backbone is not None:
            frames = self.backbone(frames.to(memory_format=torch.channels_last)).pooler_output.flatten(1)
        elif frames.ndim == 3:
            frames = _mean_of_some(frames, self._region_dropout if self.training else 0.0)
        return self.projection(F.dropout(frames, self._feature_dropout, self.training))


def _mean_of_some(regions: Tensor, dropout: float) -> Tensor:
    """Average the regions of each frame, some left out at random, never all: from (n, regions, d) to (n, d)."""
    kept = torch.rand(regions.shape[:2], device=regions.device) >= dropout
    kept |= ~kept.any(dim=1, keepdim=True)
    weights = kept.to(regions.dtype)[..., None]
    return (regions * weights).sum(dim=1) / weights.sum(dim=1)


def _freeze_below(backbone: Any, trained_layers: TrainedLayers) -> None:
    """Let gradients reach the upper layers and what follows them, or everything."""
    if trained_layers == "all":
        backbone.requires_grad_(True)
        return
    layers, above = _layers(backbone)
    if trained_layers > len(layers):
        raise UserError(f"trained_image_layers is {trained_layers}, but the image backbone has {len(layers)} layers.")
    backbone.requires_grad_(False)
    for module in [*layers[len(layers) - trained_layers :], *above]:
        module.requires_grad_(True)


def _layers(backbone: Any) -> tuple[list[nn.Module], list[nn.Module]]:
    """Find the layers of a backbone, and the modules above them."""
    body = getattr(backbone, "vision_model", backbone)
    encoder = getattr(body, "encoder", None)
    layers = next((getattr(encoder, name) for name in _LAYERS if hasattr(encoder, name)), None)
    if layers is None:
        raise UserError(
            f"Image backbones of the kind {type(backbone).__name__} cannot be trained in part: their layers are not "
            "where EfficientNet, ViT and CLIP keep them. Write trained_image_layers: 0, or all."
        )
    above = [getattr(part, name) for part in (encoder, body) for name in _ABOVE if hasattr(part, name)]
    return list(layers), [module for module in above if isinstance(module, nn.Module)]

"""The text tower in training: a frozen part whose states are computed once, and the part that is trained.

The two parts share the modules of the SentenceTransformer that is being trained, so there is nothing to copy back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from rich.progress import Progress
from torch import Tensor, nn

from cl2cm_plugin.encoder import two_tower
from cl2cm_plugin.encoder.model_info import fingerprint
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from sentence_transformers import SentenceTransformer

    from trainer.towers.feature_cache import FeatureCache

    TrainedLayers = int | Literal["all"]

# Tokens that run at once, padding included.
_TOKENS = 2048
_SENTENCES_AT_ONCE = 1024
_SHOWN = 128


@dataclass(frozen=True)
class TextOutput:
    """What the text tower makes of B sentences.

    Attributes:
        sentences: Unit vectors, shape (B, d).
        words: One projected vector a token, shape (B, L, d), not normalised.
        mask: True for tokens, False for padding, shape (B, L).
    """

    sentences: Tensor
    words: Tensor
    mask: Tensor


class FrozenText:
    """The embeddings and lower layers of a text backbone: never trained, so run once a sentence.

    Args:
        model: The model in training.
        trained_layers: How many of the upper layers belong to `TrainedText`; ``all`` leaves nothing frozen, embeddings
            included, and the states are then token ids.
        cache: Keeps the states on disk; without it they are computed anew in every run.

    Raises:
        UserError: The backbone is not of BERT's form (``embeddings`` and ``encoder.layer``), or has fewer layers.
    """

    def __init__(
        self, model: SentenceTransformer, trained_layers: TrainedLayers, cache: FeatureCache | None = None
    ) -> None:
        transformer, _, _ = two_tower.text_route(model)
        self._transformer = transformer
        self._tokenizer: Any = transformer.tokenizer
        self._backbone: Any = transformer.model
        self._frozen = _frozen_layers(self._backbone, trained_layers)
        self._cache = cache
        self._check_form()

    def states(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Compute the token states below the first trained layer.

        Args:
            texts: Sentences; repeated ones are computed once.

        Returns:
            For each different sentence its states without padding: shape (tokens, hidden size), half precision; or
            token ids, shape (tokens,), where nothing is frozen.
        """
        if self._frozen is None:
            return self._token_ids(list(dict.fromkeys(texts)))
        keys = {text: hashlib.sha256(text.encode()).hexdigest() for text in set(texts)}
        computed: dict[str, np.ndarray] = {}
        rows: Mapping[str, np.ndarray] = self._cache.rows if self._cache else computed
        missing = sorted((text for text, key in keys.items() if key not in rows), key=lambda text: (len(text), text))
        with Progress(disable=len(missing) < _SHOWN) as progress:
            task = progress.add_task(f"Frozen states of {len(missing)} sentences", total=len(missing))
            for start in range(0, len(missing), _SENTENCES_AT_ONCE):
                batch = missing[start : start + _SENTENCES_AT_ONCE]
                states = {keys[text]: state for text, state in zip(batch, self._compute(batch), strict=True)}
                if self._cache:
                    self._cache.add(states)
                else:
                    computed.update(states)
                progress.advance(task, len(batch))
        if self._cache:
            self._cache.flush()
        return {text: torch.from_numpy(rows[key]) for text, key in keys.items()}

    @torch.inference_mode()
    def _check_form(self) -> None:
        """Make sure that running the layers one by one gives what the backbone itself gives."""
        features = self._transformer.preprocess([{"text": text} for text in ("a", "a longer sentence, of some words")])
        inputs = {key: features[key] for key in ("input_ids", "attention_mask")}
        mask = inputs["attention_mask"].bool()
        hidden = self._backbone.embeddings(input_ids=inputs["input_ids"])
        for layer in _layers(self._backbone):
            hidden = _apply(layer, hidden, mask)
        expected = self._backbone(**inputs).last_hidden_state
        if not torch.allclose(hidden[mask], expected[mask], atol=1e-3):
            raise UserError(
                f"Text backbones of the kind {type(self._backbone).__name__} cannot be trained here: they do more "
                "than BERT and XLM-R between their layers."
            )

    @torch.inference_mode()
    def _compute(self, texts: list[str]) -> list[np.ndarray]:
        token_ids = list(self._token_ids(texts).values())
        states: list[Any] = [None] * len(texts)
        for chunk in of_similar_length([len(row) for row in token_ids], _TOKENS):
            ids, mask = _padded([token_ids[index] for index in chunk])
            hidden = self._backbone.embeddings(input_ids=ids)
            for layer in _layers(self._backbone)[: self._frozen]:
                hidden = _apply(layer, hidden, mask)
            for index, row in zip(chunk, hidden.half(), strict=True):
                states[index] = row[: len(token_ids[index])].clone().numpy()
        return states

    def _token_ids(self, texts: list[str]) -> dict[str, Tensor]:
        limit = self._transformer.max_seq_length
        rows = self._tokenizer(texts, truncation=True, max_length=limit)["input_ids"]
        return {text: torch.tensor(row) for text, row in zip(texts, rows, strict=True)}


class TrainedText(nn.Module):
    """The upper layers, pooling and projection of the text tower.

    Sentences of similar length run together, under a budget of tokens, whatever the batch: captions are short, and
    padding all to the longest of a batch would more than double the work.

    Args:
        model: The model in training; its modules are shared, not copied.
        trained_layers: How many of the upper layers are trained; 0 trains the projection alone, ``all`` the
            embeddings as well.
        tokens_at_once: Budget of tokens that run at once, padding included.
        dropout: Dropout of what is trained; the backbone's own if None.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        trained_layers: TrainedLayers,
        tokens_at_once: int = _TOKENS,
        dropout: float | None = None,
    ) -> None:
        super().__init__()
        transformer, _, projection = two_tower.text_route(model)
        backbone: Any = transformer.model
        frozen = _frozen_layers(backbone, trained_layers)
        self.embeddings = backbone.embeddings if frozen is None else None
        self.layers = nn.ModuleList(_layers(backbone)[frozen or 0 :])
        if dropout is not None:
            for module in self.modules():
                if isinstance(module, nn.Dropout):
                    module.p = dropout
        self.projection = projection.linear
        self._tokens_at_once = tokens_at_once

    def backbone_parameters(self) -> list[nn.Parameter]:
        """List the parameters of the trained layers, without the projection's."""
        return [parameter for name, parameter in self.named_parameters() if not name.startswith("projection.")]

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Encode sentences from their frozen states.

        Args:
            states: One tensor a sentence, from `FrozenText.states`.

        Returns:
            Unit vectors in the order of the sentences, shape (B, d).
        """
        return F.normalize(self.projection(self.pooled(states)), dim=-1)

    def pooled(self, states: Sequence[Tensor]) -> Tensor:
        """Run the layers alone: mean of the last states of each sentence's tokens, shape (B, hidden size)."""
        if not states:
            return self.projection.weight.new_zeros(0, self.projection.in_features)
        chunks, order = self._chunks(states)
        return torch.cat([_mean(*self._run(chunk)) for chunk in chunks])[order]

    def layers_hash(self) -> str:
        """Hash the weights of all that runs before the projection."""
        hashed = hashlib.sha256()
        for parameter in self.backbone_parameters():
            hashed.update(parameter.detach().cpu().contiguous().numpy().tobytes())
        return hashed.hexdigest()

    def with_words(self, states: Sequence[Tensor]) -> TextOutput:
        """Encode sentences and their words.

        Args:
            states: One tensor a sentence, from `FrozenText.states`.

        Returns:
            Sentence and word vectors.
        """
        hidden, mask = self.last_states(states)
        sentences = F.normalize(self.projection(_mean(hidden, mask)), dim=-1)
        return TextOutput(sentences, self.projection(hidden), mask)

    def last_states(self, states: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Run the layers alone.

        Args:
            states: One tensor a sentence, from `FrozenText.states`.

        Returns:
            The last states of the tokens, shape (B, L, hidden size), and their mask, shape (B, L).
        """
        chunks, order = self._chunks(states)
        longest = max(len(state) for state in states)
        found, masks = [], []
        for chunk in chunks:
            hidden, mask = self._run(chunk)
            found.append(F.pad(hidden, (0, 0, 0, longest - hidden.shape[1])))
            masks.append(F.pad(mask, (0, longest - mask.shape[1])))
        return torch.cat(found)[order], torch.cat(masks)[order]

    def _chunks(self, states: Sequence[Tensor]) -> tuple[list[list[Tensor]], Tensor]:
        """Sentences of similar length together, and where each sentence ends up."""
        chunks = list(of_similar_length([len(state) for state in states], self._tokens_at_once))
        order = torch.argsort(torch.tensor([index for chunk in chunks for index in chunk]))
        return [[states[index] for index in chunk] for chunk in chunks], order.to(self.projection.weight.device)

    def _run(self, states: list[Tensor]) -> tuple[Tensor, Tensor]:
        device = self.projection.weight.device
        rows, mask = (tensor.to(device) for tensor in _padded(states))
        hidden = rows.float() if self.embeddings is None else self.embeddings(input_ids=rows)
        for layer in self.layers:
            hidden = _apply(layer, hidden, mask)
        return hidden, mask


def states_key(model: SentenceTransformer, folder: Path, trained_layers: TrainedLayers) -> str:
    """Name the cache of `FrozenText`'s states: the backbone's folder, where it is cut, and how texts are."""
    return f"{fingerprint(folder)}-{trained_layers}-{model.max_seq_length}-half"


def of_similar_length(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Put sentences of similar length together.

    Args:
        lengths: The tokens of each sentence.
        budget: Tokens that a chunk may have, padding to its longest sentence included; a longer sentence stays alone.

    Yields:
        Indices of the sentences of a chunk, shortest first.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * lengths[order[end]] > budget:
            yield order[start:end]
            start = end


def _padded(rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    padded = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return padded, torch.arange(padded.shape[1]) < lengths[:, None]


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    weights = mask[..., None].to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1)


def _frozen_layers(backbone: Any, trained_layers: TrainedLayers) -> int | None:
    """How many of the lower layers stay frozen; None where the embeddings are trained as well."""
    if trained_layers == "all":
        return None
    layers = len(_layers(backbone))
    if not 0 <= trained_layers <= layers:
        raise UserError(f"trained_layers is {trained_layers}, but the text backbone has {layers} layers.")
    return layers - trained_layers


def _layers(backbone: Any) -> Any:
    try:
        return backbone.encoder.layer
    except AttributeError:
        raise UserError(
            f"Text backbones of the kind {type(backbone).__name__} cannot be trained here: their layers are not where "
            "BERT, XLM-R and their relatives keep them."
        ) from None


def _apply(layer: Any, hidden: Tensor, mask: Tensor) -> Tensor:
    # Added to the scores: every kind of attention understands this form of a mask.
    blocked = (~mask.bool()).to(hidden.dtype)[:, None, None, :] * torch.finfo(hidden.dtype).min
    output = layer(hidden, blocked.expand(-1, 1, hidden.shape[1], -1))
    return output[0] if isinstance(output, tuple) else output

"""The word level of stage 1, in the form that a recipe chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.objectives.word_alignment import entropic_transport_distance, self_labelled_alignment, transport_distance

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from trainer.recipe import WordAlignment
    from trainer.towers import TextOutput

    Words = tuple[Tensor, Tensor, Tensor, Tensor]


def word_level(choice: WordAlignment, source: TextOutput, target: TextOutput) -> Tensor:
    """Compute how far the words of sentences are from those of their translations, without the recipe's weight."""
    return _FORMS[choice.form](choice, (source.words, target.words, source.mask, target.mask))


def _transport(choice: Any, words: Words) -> Tensor:
    return transport_distance(*words, choice.beta, choice.iterations)


def _entropic(choice: Any, words: Words) -> Tensor:
    return entropic_transport_distance(*words, choice.epsilon, choice.iterations)


def _self_labelled(choice: Any, words: Words) -> Tensor:
    return self_labelled_alignment(*words, choice.temperature, choice.iterations)


_FORMS: dict[str, Callable[[Any, Words], Tensor]] = {
    "transport": _transport,
    "entropic": _entropic,
    "self_labelled": _self_labelled,
}

"""The word level of stage 1, in the form that a recipe chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.objectives.word_alignment import entropic_transport_distance, self_labelled_alignment, transport_distance

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from trainer.recipe_forms import WordAlignment

    Words = tuple[Tensor, Tensor, Tensor, Tensor]


def word_level(
    choice: WordAlignment, sources: Tensor, targets: Tensor, source_mask: Tensor, target_mask: Tensor
) -> Tensor:
    """Compute how far the words of sentences are from those of their translations, without the recipe's weight.

    Args:
        choice: The recipe's form.
        sources: Word vectors of B sentences, shape (B, m, d).
        targets: Word vectors of their translations, shape (B, n, d).
        source_mask: True for words, False for padding, shape (B, m).
        target_mask: The same for the translations, shape (B, n).

    Returns:
        The loss, a scalar.
    """
    return _FORMS[choice.form](choice, (sources, targets, source_mask, target_mask))


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

"""Noise in translations, for curves of robustness: words dropped, swapped or replaced, and pairs that are wrong.

The noise of a pair depends on the seed and the pair itself, not on its place among the others; and the noise of a
lower rate is a part of the noise of a higher one, so that the points of a curve differ in the rate alone. That holds
for dropped words, replaced words and the choice of the wrong pairs.

Words stand between spaces; in Chinese and Japanese every character is a word.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from datasets import Dataset

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trainer.corpus.captioned_media import CaptionedMedia

# Chinese and Japanese: punctuation and kana, ideographs, full-width forms.
_SPACELESS = "\u3001-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uffef\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_SPACELESS}]|[^\\s{_SPACELESS}]+")
_NEEDLESS_SPACE = re.compile(f"(?<=[{_SPACELESS}]) | (?=[{_SPACELESS}])")


class Pair(Protocol):
    """A dataclass with a sentence and its translation, such as ``SentencePair`` or ``CaptionedPicture``."""

    @property
    def source(self) -> str:
        """The sentence."""
        ...

    @property
    def target(self) -> str:
        """Its translation."""
        ...


PairT = TypeVar("PairT", bound=Pair)


@dataclass(frozen=True)
class Noise:
    """How much noise: rates from 0 (none) to 1.

    Attributes:
        drop: Chance that a word is left out. One word always stays.
        swap: Chance that a word changes places with the next one; none moves twice.
        replace: Chance that a word becomes another one of the target sentences' words.
        wrong_pairs: Share of the pairs that get the target of another pair.

    Raises:
        UserError: A rate is not between 0 and 1.
    """

    drop: float = 0.0
    swap: float = 0.0
    replace: float = 0.0
    wrong_pairs: float = 0.0

    def __post_init__(self) -> None:
        for name, rate in vars(self).items():
            if not 0 <= rate <= 1:
                raise UserError(f"The noise {name} is {rate}; wanted a rate from 0 to 1.")


def add_noise(
    pairs: Sequence[PairT],
    drop: float = 0.0,
    swap: float = 0.0,
    replace: float = 0.0,
    wrong_pairs: float = 0.0,
    seed: int = 0,
) -> list[PairT]:
    """Put noise into the target sentences of pairs of one language pair.

    Args:
        pairs: Sentences and their translations.
        drop: As in :class:`Noise`.
        swap: As in :class:`Noise`.
        replace: As in :class:`Noise`.
        wrong_pairs: As in :class:`Noise`.
        seed: Decides everything that is drawn.

    Returns:
        The pairs in their order, with other targets. No target becomes empty; equal pairs get equal words; the wrong
        pairs exchange their targets among themselves, and none gets one that is right for its source sentence, unless
        there is no other.

    Raises:
        UserError: A rate is not between 0 and 1.
    """
    noise = Noise(drop, swap, replace, wrong_pairs)
    return [
        pair if pair.target == target else _with_target(pair, target)
        for pair, target in zip(pairs, _noisy_targets(pairs, noise, seed), strict=True)
    ]


def noisy_corpus(corpus: CaptionedMedia, noise: Noise, seed: int = 0) -> CaptionedMedia:
    """Put noise into the sentence pairs of a corpus, each language pair for itself; its captions stay as they are.

    Args:
        corpus: A corpus.
        noise: How much.
        seed: Decides everything that is drawn.

    Returns:
        The corpus with other pairs: both stages of training see the same noise.
    """
    rows: list[dict[str, str]] = corpus.pairs.to_list()
    places: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        if row["source_language"] != row["target_language"]:
            places.setdefault((row["source_language"], row["target_language"]), []).append(place)
    for group in places.values():
        pairs = [_Row(rows[place]["source"], rows[place]["target"]) for place in group]
        for place, target in zip(group, _noisy_targets(pairs, noise, seed), strict=True):
            rows[place] = {**rows[place], "target": target}
    return replace(corpus, pairs=Dataset.from_list(rows, features=corpus.pairs.features))


@dataclass(frozen=True)
class _Row:
    source: str
    target: str


def _with_target(pair: PairT, target: str) -> PairT:
    # Outside `add_noise`, whose argument `replace` hides the function.
    return replace(cast("Any", pair), target=target)


def _noisy_targets(pairs: Sequence[Pair], noise: Noise, seed: int) -> list[str]:
    targets = [pair.target for pair in pairs]
    if noise.drop or noise.swap or noise.replace:
        vocabulary = sorted({word for target in targets for word in _words(target)})
        targets = [_noisy(pair, vocabulary, noise, seed) for pair in pairs]
    return _exchanged(pairs, targets, noise.wrong_pairs, seed) if noise.wrong_pairs else targets


def _words(sentence: str) -> list[str]:
    return _WORD.findall(sentence)


def _sentence(words: Iterable[str]) -> str:
    return _NEEDLESS_SPACE.sub("", " ".join(words))


def _number(seed: int, purpose: str, pair: Pair) -> int:
    """A number that the seed and the pair decide, for one purpose."""
    text = "\0".join((str(seed), purpose, pair.source, pair.target))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _noisy(pair: Pair, vocabulary: list[str], noise: Noise, seed: int) -> str:
    words = before = _words(pair.target)
    if not words:
        return pair.target
    # All is drawn whatever the rates are, so that the noise of a low rate is a part of that of a higher one.
    chance = random.Random(_number(seed, "words", pair)).random  # noqa: S311 - noise that anyone can repeat
    drop, swap, change, other = ([chance() for _ in words] for _ in range(4))
    words = [
        _other(word, vocabulary, other[place]) if change[place] < noise.replace else word
        for place, word in enumerate(words)
    ]
    last = max(range(len(words)), key=drop.__getitem__)
    words = [word for place, word in enumerate(words) if drop[place] >= noise.drop or place == last]
    words = _swapped(words, [number < noise.swap for number in swap])
    return pair.target if words == before else _sentence(words)


def _other(word: str, vocabulary: list[str], chance: float) -> str:
    """One of the sorted vocabulary's words but the word itself, each as likely."""
    if len(vocabulary) == 1:
        return word
    number = int(chance * (len(vocabulary) - 1))
    return vocabulary[number] if vocabulary[number] < word else vocabulary[number + 1]


def _swapped(words: list[str], chosen: list[bool]) -> list[str]:
    words = list(words)
    place = 0
    while place + 1 < len(words):
        if chosen[place]:
            words[place], words[place + 1] = words[place + 1], words[place]
            place += 1
        place += 1
    return words


def _exchanged(pairs: Sequence[Pair], targets: list[str], rate: float, seed: int) -> list[str]:
    order = sorted(range(len(pairs)), key=lambda place: _number(seed, "wrong", pairs[place]))
    count = round(rate * len(pairs))
    # One pair alone has no other to exchange its target with.
    chosen = order[: max(2, count)] if count else []
    right: dict[str, set[str]] = {}
    for pair in pairs:
        right.setdefault(pair.source, set()).add(pair.target)

    def wrong(place: int, giver: int) -> bool:
        return pairs[giver].target not in right[pairs[place].source]

    givers = dict(zip(chosen, chosen[1:] + chosen[:1], strict=True))
    for place in chosen:
        if not wrong(place, givers[place]):
            # The next one for which an exchange makes both wrong.
            for other in chosen:
                if wrong(place, givers[other]) and wrong(other, givers[place]):
                    givers[place], givers[other] = givers[other], givers[place]
                    break
    result = list(targets)
    for place in chosen:
        result[place] = targets[givers[place]]
    return result

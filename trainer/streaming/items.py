"""From rows of shards to what the stages train on, as a recipe's lines choose.

The rules are those of `trainer.corpus.training_data`, row by row: an epoch takes every sentence pair once, and every
picture once, with its captions in turns.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from trainer.corpus.captioned_media import WEAK
from trainer.corpus.training_data import SentencePair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.recipe import Recipe
    from trainer.streaming.shards import Row, Table, Turn


@dataclass(frozen=True)
class PictureRow:
    """A picture that is not opened yet, with the captions of its turn.

    Attributes:
        media_id: The picture's name.
        image: ``bytes`` and ``path``, one of which may be None.
        source: A caption in the source language; None where the supervised upper bound takes another's.
        target: A caption in a target language, or None.
        group: Numbers the picture.
        draw: Decides how the picture is cropped in this epoch.
    """

    media_id: str
    image: dict[str, Any]
    source: str | None
    target: str | None
    group: int
    draw: int


class Items(Protocol):
    """What a stage streams."""

    table: Table

    def stream(self, turn: Turn) -> Iterator[Any]:
        """Give the items of an epoch, each with an attribute ``group``."""
        ...

    def count(self, turn: Turn) -> Counter[str]:
        """Count the items of an epoch, all under ``""`` and those of each target language under its name."""
        ...


class SentencePairs:
    """The sentence pairs that a recipe takes.

    Args:
        table: Rows with the columns of ``pairs/``.
        recipe: The recipe.
    """

    def __init__(self, table: Table, recipe: Recipe) -> None:
        self.table, self._recipe = table, recipe

    def stream(self, turn: Turn) -> Iterator[SentencePair]:
        """Give the pairs of an epoch; those of one source sentence are a group."""
        for row in self.table.rows(turn):
            if self._takes(row):
                yield SentencePair(row["source"], row["target"], number(row["source"]))

    def count(self, turn: Turn) -> Counter[str]:
        """Count the pairs of an epoch, altogether and by target language."""
        found: Counter[str] = Counter()
        for row in self.table.rows(turn, light=True):
            if self._takes(row):
                found.update(["", row["target_language"]])
        return found

    def _takes(self, row: Row) -> bool:
        recipe = self._recipe
        if row["source_language"] != recipe.source_language or not row["source"] or not row["target"]:
            return False
        of_one_picture = recipe.same_picture and row["target_language"] == recipe.source_language
        return of_one_picture or translates(row, recipe)


class CaptionedPictures:
    """The pictures that a recipe takes, each with the captions of its turn.

    Args:
        table: Rows with the columns of ``pictures/``.
        recipe: The recipe.
    """

    def __init__(self, table: Table, recipe: Recipe) -> None:
        self.table, self._recipe = table, recipe

    def stream(self, turn: Turn) -> Iterator[PictureRow]:
        """Give every picture of an epoch once, its captions in turns that seed and epoch determine."""
        for row in self.table.rows(turn):
            captions = self._captions(row["captions"])
            if captions:
                media_id, group = row["media_id"], number(row["media_id"])
                cycle, place = divmod(turn.epoch, len(captions))
                order = np.random.default_rng((turn.seed, cycle, group)).permutation(len(captions))
                source, target = captions[order[place]]
                draw = number(f"{turn.seed} {turn.epoch} {media_id}")
                yield PictureRow(media_id, row["image"], source, target, group, draw)

    def count(self, turn: Turn) -> Counter[str]:
        """Count the pictures of an epoch, altogether and by target language of their captions."""
        found: Counter[str] = Counter()
        for row in self.table.rows(turn, light=True):
            if self._captions(row["captions"]):
                found.update(["", *{record["target_language"] for record in row["captions"] if record["target"]}])
        return found

    def _captions(self, records: list[Row] | None) -> list[tuple[str | None, str | None]]:
        """What the recipe makes of a picture's captions: pairs of a source caption and a translation of it."""
        recipe = self._recipe
        own = [row for row in records or [] if row["source_language"] == recipe.source_language and row["source"]]
        pairs = [(row["source"], row["target"]) for row in own if row["target"] and translates(row, recipe)]
        known = list(dict.fromkeys(row["source"] for row in own))
        all_take_part = recipe.cross_modal.untranslated or not recipe.target_languages
        if all_take_part and len({source for source, _ in pairs}) < len(known):
            # Any caption with any translation, so that each comes as often as any other.
            targets: list[str | None] = [target for _, target in pairs] or [None]
            turns = math.lcm(len(known), len(targets))
            pairs = [(known[k % len(known)], targets[k % len(targets)]) for k in range(turns)]
        if recipe.cross_modal.supervised:
            of_others = [row for row in records or [] if row["source_language"] in recipe.target_languages]
            return [*pairs, *((None, source) for source in dict.fromkeys(row["source"] for row in of_others))]
        return pairs


def translates(row: Row, recipe: Recipe) -> bool:
    """Tell whether a row is a translation into one of a recipe's target languages, of an origin that it takes."""
    wanted = row["origin"] in recipe.origins if recipe.origins else row["origin"] != WEAK
    return wanted and row["target_language"] in recipe.target_languages


def number(name: str) -> int:
    """Number a name: the same everywhere, at least 0 and below 2**63, and different for different names."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") >> 1

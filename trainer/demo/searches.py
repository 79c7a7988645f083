"""The demo's queries through Weaviate: sentences that a person might type, and names of held-out pictures."""

from __future__ import annotations

import random
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import yaml
from rich.progress import track
from rich.table import Table

from cl2cm_plugin import collections
from trainer.contact_sheet import Hit, Row
from trainer.corpus.openmoji import HELD_OUT, SOURCE_LANGUAGE
from trainer.demo.figures import CUTOFF

if TYPE_CHECKING:
    from weaviate.collections import Collection

    from cl2cm_plugin.collections.search import Target
    from trainer.corpus import CaptionedMedia

_HITS = 6
_NAMES = 4
_CHECKED = 100
_SEED = 0
_WHERE: dict[Target, str] = {"picture_and_caption": "picture + English name", "picture": "picture alone"}


@dataclass(frozen=True)
class Found:
    """What the searches led to.

    Attributes:
        objects: Objects in the collection.
        rows: Queries with their hits, for the table and the contact sheet.
        held_out_r10: R@10 in percent of the names of held-out pictures, against pictures with their English names.
        checked: How many such names were searched.
    """

    objects: int
    rows: list[Row]
    held_out_r10: float
    checked: int


def search(collection: Collection, corpus: CaptionedMedia, target: str) -> Found:
    """Search the collection in the target language.

    Args:
        collection: The imported collection, with captions in English.
        corpus: The collection's pictures and names.
        target: The language of the queries.

    Returns:
        Queries with their hits, and how often the picture meant was among the first ten.
    """
    names = corpus.captions_in(target, corpus.media_ids(HELD_OUT))
    shown = random.Random(_SEED).sample(names, _NAMES)  # noqa: S311 - a choice that anyone can repeat
    rows = [_row(collection, corpus, query, None, "picture_and_caption") for query in _sentences(target)]
    rows += [_row(collection, corpus, name, media_id, "picture_and_caption") for media_id, name in shown]
    rows += [_row(collection, corpus, name, media_id, "picture") for media_id, name in shown[: _NAMES // 2]]
    checked = names[:_CHECKED]
    return Found(
        objects=collection.aggregate.over_all(total_count=True).total_count or 0,
        rows=rows,
        held_out_r10=_recall(collection, checked),
        checked=len(checked),
    )


def results_table(rows: list[Row], target: str) -> Table:
    """Draw queries and hits for the terminal."""
    drawn = Table(title=f"Queries in {target}, pictures found by Weaviate", show_lines=True)
    for column in ("query", "", "pictures found, by their English names"):
        drawn.add_column(column)
    for row in rows:
        hits = ", ".join(f"[bold green]{hit.caption}[/]" if hit.right else hit.caption for hit in row.hits)
        drawn.add_row(row.query, row.note, hits)
    return drawn


def _sentences(language: str) -> list[str]:
    text = files("trainer.demo").joinpath("queries.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load(text).get(language, ()))


def _row(collection: Collection, corpus: CaptionedMedia, query: str, media_id: str | None, target: Target) -> Row:
    found = collections.by_text(collection, query, limit=CUTOFF, target=target).objects
    hits = [
        Hit(
            corpus.folder / str(entry.properties["file"]),
            str(entry.properties["caption"]),
            right=_media_id(entry.properties["file"]) == media_id,
        )
        for entry in found
    ]
    note = _WHERE[target]
    if media_id is not None:
        rank = next((str(place) for place, hit in enumerate(hits, start=1) if hit.right), f"over {CUTOFF}")
        english = dict(corpus.captions_in(SOURCE_LANGUAGE, [media_id]))[media_id]
        note += f"\nheld out: “{english}” at rank {rank}"
    return Row(query, note, hits[:_HITS])


def _recall(collection: Collection, names: list[tuple[str, str]]) -> float:
    hits = 0
    for media_id, name in track(names, f"Searching {len(names)} names of held-out pictures"):
        found = collections.by_text(collection, name, limit=CUTOFF, target="picture_and_caption").objects
        hits += media_id in {_media_id(entry.properties["file"]) for entry in found}
    return round(100 * hits / len(names), 1)


def _media_id(file: object) -> str:
    return str(file).rpartition("/")[2].rpartition(".")[0]

"""A growing table of sentence pairs: what is in it stays, and an interruption loses nothing that was written."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cl2cm_plugin.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from trainer.translation import Translator

_COLUMNS = ("source", "target", "origin")
_FIRST_CHUNK = 64
# A chunk grows or shrinks until it takes about this long: so much work an interruption may cost. Long against the
# seconds that Apertium takes to load its data for each chunk.
_CHUNK_SECONDS = 20.0


class PairTable:
    """The file ``pairs/<source>-<target>.tsv`` of a captioned-media folder; it need not exist yet.

    Args:
        file: The table. Its rows and any further columns are kept as they are.

    Raises:
        UserError: The file is there, but is no table of sentence pairs.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._columns: list[str] = list(_COLUMNS)
        self._lines: list[str] = []
        self.sources: set[str] = set()
        if file.exists():
            self.sources = {source for source, _ in read_table(file, _COLUMNS[:2])}
            header, _, body = file.read_text(encoding="utf-8-sig").partition("\n")
            self._columns = header.split("\t")
            self._lines = body.removesuffix("\n").split("\n") if body else []
            # Lines without a value of the last columns are allowed, so an origin can be added to the header alone.
            self._columns += [] if "origin" in self._columns else ["origin"]

    def add(self, rows: Sequence[tuple[str, str]], origin: str) -> None:
        """Add sentence pairs and write the table: at any moment the file is either the old or the new one.

        Args:
            rows: Source sentences, written as they are, and their translations. None may hold a tab or line break.
            origin: Who translated them.
        """
        for source, target in rows:
            values = {"source": source, "target": target, "origin": origin}
            self._lines.append("\t".join(values.get(column, "") for column in self._columns))
            self.sources.add(source)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        try:
            with temporary.open("w", encoding="utf-8", newline="") as stream:
                stream.writelines(f"{line}\n" for line in ("\t".join(self._columns), *self._lines))
            temporary.replace(self.file)
        finally:
            temporary.unlink(missing_ok=True)


def fill(table: PairTable, sentences: Sequence[str], translator: Translator, title: str) -> int:
    """Translate the sentences that a table has no row for, and show how far it is.

    Args:
        table: Where the pairs go.
        sentences: Sentences of the source language.
        translator: What translates them.
        title: Says what is translated.

    Returns:
        How many got a translation.
    """
    missing = [sentence for sentence in sentences if sentence not in table.sources]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    translated = 0
    with Progress(*columns, disable=not missing) as progress:
        task = progress.add_task(f"{title} with {translator.name}", total=len(missing))
        for done, found in translate_missing(table, missing, translator):
            translated += found
            progress.advance(task, done)
    return translated


def translate_missing(
    table: PairTable, sentences: Sequence[str], translator: Translator, chunk_seconds: float = _CHUNK_SECONDS
) -> Iterator[tuple[int, int]]:
    """Translate the sentences that a table has no row for, and write them chunk by chunk.

    Args:
        table: Where the pairs go.
        sentences: Sentences of the source language.
        translator: What translates them.
        chunk_seconds: How long the work between two writes should take.

    Yields:
        After each chunk: how many sentences it had, and how many of them got a translation.
    """
    missing = [sentence for sentence in dict.fromkeys(sentences) if sentence not in table.sources]
    start, size = 0, _FIRST_CHUNK
    while start < len(missing):
        chunk = missing[start : start + size]
        began = time.perf_counter()
        targets = (" ".join(target.split()) for target in translator.translate(chunk))
        rows = [(source, target) for source, target in zip(chunk, targets, strict=True) if target]
        table.add(rows, f"mt-{translator.name}")
        yield len(chunk), len(rows)
        start += len(chunk)
        seconds = time.perf_counter() - began
        if seconds < chunk_seconds / 2:
            size *= 2
        elif seconds > chunk_seconds * 2:
            size = max(1, size // 2)

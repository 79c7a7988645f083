"""What is done so far towards a file of vectors: a hidden folder beside it, from which the file is made in the end.

asked.json     what the command was asked for, so that only the same command goes on
engine.json    how the engine computes, so that every row is computed in the same way
list.parquet   the files of a folder, as they were when the command first began
parts/         rows that are done
finished/      Ray Data's checkpoint: a file for each complete part, with the part's name
ray.log        what Ray says
"""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from filelock import FileLock, Timeout
from pyarrow import compute, parquet

from cl2cm_plugin.collections.folder import object_id
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.tables import write_table
from tuning.embedding.rows import read_back

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Whoever reads the file holds this many rows at least.
_ROWS_IN_A_GROUP = 8192
_INCOMPLETE = ".pending"
_LOCK = "lock"


@dataclass(frozen=True)
class Outcome:
    """What became of the rows.

    Attributes:
        vectors: How many have a vector.
        failures: File and reason of those that have none.
    """

    vectors: int
    failures: list[tuple[str, str]]


def failures_file(out: Path) -> Path:
    """The table of rows without a vector, beside the file."""
    return out.with_suffix(".failures.tsv")


class Begun:
    """What is done so far towards one file.

    Args:
        out: The file.

    Attributes:
        listed: Where the files of a folder are listed.
        parts: Where Ray writes the rows that are done.
        finished: Where Ray keeps its checkpoint.
        log: Where Ray's messages go.
        failures: The table of rows without a vector, beside the file.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._folder = out.with_name(f".{out.name}.part")
        self.listed = self._folder / "list.parquet"
        self.parts = self._folder / "parts"
        self.finished = self._folder / "finished"
        self.log = self._folder / "ray.log"
        self.failures = failures_file(out)
        self._counted: dict[str, int] = {}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other commands out.

        Raises:
            UserError: Another one is at work.
        """
        try:
            self._folder.mkdir(exist_ok=True)
            lock = FileLock(self._folder / _LOCK, timeout=0)
            lock.acquire()
        except Timeout:
            raise UserError(f"Another command is making {self._out}; wait for it, or name another file.") from None
        except OSError as error:
            raise UserError(f"{self._out} cannot be written ({error.strerror}); name another file.") from None
        with lock:
            try:
                yield
            except UserError:
                if not self.rows():
                    shutil.rmtree(self._folder)
                raise

    def check(self, asked: dict[str, Any]) -> None:
        """Make sure that the command is the one that did what is done; if nothing is, begin anew.

        Args:
            asked: Everything that rows depend on, as JSON has it.

        Raises:
            UserError: It was another one.
        """
        known = self._read("asked", {})
        changed = [name for name in asked if known.get(name) != asked[name]]
        if changed and self.rows():
            name = changed[0]
            raise UserError(
                f"{self._out} was begun with another {name}: {known.get(name)}, not {asked[name]}. Type the earlier "
                f"command again to finish it, or remove {self._folder} to begin anew."
            )
        if changed:
            self._clear()
            self._write("asked", asked)

    def engine(self, chosen: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Give how the engine computes, or keep it.

        Args:
            chosen: What was chosen, if it is to be kept.

        Returns:
            What was chosen first; None if nothing was.
        """
        known = self._read("engine", None)
        if known is None and chosen is not None:
            self._write("engine", chosen)
        return known or chosen

    def _read(self, name: str, usual: Any) -> Any:
        file = self._folder / f"{name}.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else usual

    def _write(self, name: str, facts: dict[str, Any]) -> None:
        # A command that is killed here must not leave half a file.
        written = self._folder / f"{name}.new"
        written.write_text(json.dumps(facts), encoding="utf-8")
        written.replace(self._folder / f"{name}.json")

    def _clear(self) -> None:
        for place in self._folder.iterdir():
            if place.is_dir():
                shutil.rmtree(place)
            elif place.name != _LOCK:
                place.unlink()

    def rows(self) -> int:
        """Count the rows that are done."""
        for name in self._complete():
            if name not in self._counted:
                self._counted[name] = parquet.read_metadata(self.finished / f"{name}.parquet").num_rows
        return sum(self._counted.values())

    def complete(self, rows: int, schema: pa.Schema, key: str) -> Outcome:
        """Make the file, and the table of failures, and remove everything else.

        Args:
            rows: How many rows there are in all.
            schema: The file's.
            key: The column that tells rows apart in the parts.

        Raises:
            UserError: Rows are missing.
        """
        if self.rows() < rows:
            missing = rows - self.rows()
            raise UserError(
                f"{missing} of {rows} rows are missing: type the same command again. {self.log} says more."
            )
        unique = _unique(self._tables(key)) if self.rows() > rows else self._tables(key)
        made = self._folder / "vectors.parquet"
        failures: list[tuple[str, str]] = []
        with parquet.ParquetWriter(made, schema, use_dictionary=False) as writer:
            for table in _in_groups(_without_failures(unique, failures)):
                writer.write_table(_with_ids(table, schema))
        self.failures.unlink(missing_ok=True)
        if failures:
            write_table(self.failures, ["file", "reason"], failures)
        made.replace(self._out)
        shutil.rmtree(self._folder)
        return Outcome(rows - len(failures), failures)

    def _complete(self) -> list[str]:
        """Name the parts that are complete. One that was being written when the command was killed is not."""
        return sorted(file.stem for file in self.finished.glob("*.parquet") if not file.stem.endswith(_INCOMPLETE))

    def _tables(self, key: str) -> Iterator[pa.Table]:
        for name in self._complete():
            for part in sorted(self.parts.glob(f"{name}-*.parquet")):
                yield read_back(parquet.read_table(part), key)


def _unique(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Leave out rows that came before: a cluster may finish a part for a command that was killed."""
    seen: set[str] = set()
    for table in tables:
        names = table["file"].cast(pa.string()).to_pylist()
        yield table.filter(pa.array([name not in seen for name in names]))
        seen.update(names)


def _without_failures(tables: Iterator[pa.Table], failures: list[tuple[str, str]]) -> Iterator[pa.Table]:
    for table in tables:
        bad = table.filter(compute.is_valid(table["error"]))
        failures += zip(bad["file"].cast(pa.string()).to_pylist(), bad["error"].to_pylist(), strict=True)
        yield table.filter(compute.is_null(table["error"]))


def _in_groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Put small tables together."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= _ROWS_IN_A_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _with_ids(table: pa.Table, schema: pa.Schema) -> pa.Table:
    files = table["file"].cast(pa.string())
    ids = pa.array([str(object_id(file)) for file in files.to_pylist()], pa.string())
    columns = {name: table[name] for name in schema.names if name in table.column_names}
    return pa.table(columns | {"file": files, "id": ids}).select(schema.names).cast(schema)

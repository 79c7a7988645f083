"""The Ray Data job: rows are read, embedded by actors that each hold one engine, and written part by part."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.data.checkpoint import CheckpointConfig
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.cores import granted
from tuning.cluster import connected, is_local
from tuning.embedding.embedder import Embedder, Work

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from tuning.embedding.begun import Begun

# What a killed command computes again is at most this much for each actor.
_ROWS_OF_A_PART = 256
_PARTS_AN_ACTOR = 4
# Reading, writing, and on going on leaving out what is done: Ray counts a core for each.
_CORES_BESIDE_ACTORS = 2
_SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True)
class Actors:
    """Who does the work.

    Attributes:
        number: How many there are; None is as many as there is room for.
        cpus: Cores of each.
        gpus: Accelerators of each, also less than one.
    """

    number: int | None
    cpus: int
    gpus: float

    @property
    def resources(self) -> dict[str, Any]:
        """As Ray takes them."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus}


def run(work: Work, actors: Actors, begun: Begun) -> str:
    """Embed the rows that are not done yet.

    Args:
        work: What to do.
        actors: Who does it.
        begun: What is done so far; the rows are added to it.

    Returns:
        How the engine computed.

    Raises:
        UserError: There is no such cluster, or the engine cannot be opened there.
    """
    cpus = actors.number * actors.cpus if actors.number else granted()
    with connected(cpus + _CORES_BESIDE_ACTORS, begun.log) as terminal, DataContext.current(_context(work, begun)):
        number = _number(actors, terminal)
        engine = begun.engine() or begun.engine(_opened(work, actors))
        assert engine is not None
        work = replace(work, opening=replace(work.opening, ways=engine["ways"]))
        with _progress(begun, work.source.rows, terminal):
            _embed(work, replace(actors, number=number), begun)
    return str(engine["name"])


def _number(actors: Actors, terminal: TextIO) -> int:
    """Say how many actors there are to be.

    Raises:
        UserError: There is no room for them, and never will be.
    """
    there = ray.cluster_resources()
    room = int((there.get("CPU", 0) - _CORES_BESIDE_ACTORS) // actors.cpus)
    if actors.gpus:
        room = min(room, int(there.get("GPU", 0) // actors.gpus))
    number = actors.number or max(1, room)
    if number > room and is_local():
        each = f"{actors.cpus} CPUs" + (f" and {actors.gpus:g} GPUs" if actors.gpus else "")
        raise UserError(
            f"This machine has room for {room} actors with {each} each, not for {number}: ask for "
            f"{'fewer' if room else 'less'}, or name a cluster in RAY_ADDRESS."
        )
    if number > room:
        # A cluster may be one that grows.
        terminal.write(f"The cluster has room for {room} actors now, and waits until it has it for {number}.\n")
    return number


def _embed(work: Work, actors: Actors, begun: Begun) -> None:
    source, number = work.source, actors.number
    assert number is not None
    part = min(_ROWS_OF_A_PART, max(work.pictures_at_once, source.rows // (_PARTS_AN_ACTOR * number)))
    embedded = (
        ray.data.read_parquet(source.files)
        .select_columns(source.columns.names)
        .repartition(target_num_rows_per_block=part)
        .map_batches(
            Embedder,
            fn_constructor_args=(work,),
            compute=ActorPoolStrategy(size=number),
            batch_size=part,
            batch_format="pyarrow",
            zero_copy_batch=True,
            **actors.resources,
        )
    )
    embedded.write_parquet(str(begun.parts))


def _context(work: Work, begun: Begun) -> DataContext:
    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.checkpoint_config = CheckpointConfig(
        work.source.key, str(begun.finished), delete_checkpoint_on_success=False
    )
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return context


def _opened(work: Work, actors: Actors) -> dict[str, Any]:
    """Open the engine once, where actors will open theirs: what is wrong is said before the work begins."""
    try:
        return ray.get(ray.remote(**actors.resources)(_try).remote(work))
    except UserError as error:
        # Ray's own error, which this is as well, prints a trace.
        raise UserError(str(getattr(error, "cause", error))) from None


def _try(work: Work) -> dict[str, Any]:
    engine = work.opening.open()
    dimensions = engine.encode_texts([engine.prepare_text("warm-up")]).shape[1]
    if dimensions != work.dimensions:
        raise UserError(
            f"The model says that its vectors have {work.dimensions} dimensions, but they have {dimensions}: export "
            "or train it again."
        )
    return {"name": engine.name, "ways": getattr(engine, "ways", {})}


@contextmanager
def _progress(begun: Begun, rows: int, terminal: TextIO) -> Iterator[None]:
    """Show, if somebody watches, how many rows are done."""
    columns = (TextColumn("embedding"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    console = Console(file=terminal)
    ended = threading.Event()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("embedding", total=rows, completed=begun.rows())

        def watch() -> None:
            while not ended.wait(_SECONDS_BETWEEN_LOOKS):
                bar.update(task, completed=begun.rows())

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            bar.update(task, completed=begun.rows())

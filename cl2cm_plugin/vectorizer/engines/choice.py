"""Which runtime and precision compute an exported tower: the fastest here of those that give the right vectors.

It is measured; for the same graphs on the same kind of processor with the same runtimes it need not be measured again.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.exported import folder as exported
from cl2cm_plugin.exported import probes, runtimes
from cl2cm_plugin.exported.runtimes import Way
from cl2cm_plugin.exported.towers import ExportedTowers
from cl2cm_plugin.vectorizer.engines.processor import has_bf16, processor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cl2cm_plugin.exported.folder import Export

logger = logging.getLogger(__name__)

_RUNS = 5
_ABOUT = 1.1
_REPEATED = 4
AUTO = "auto"


@dataclass(frozen=True)
class Wanted:
    """What ways are chosen from.

    Attributes:
        runtime: ``onnx``, ``openvino``, or ``auto`` for those that are installed.
        precision: ``fp32``, ``int8``, ``bf16``, or ``auto`` for those that the model comes in.
    """

    runtime: str = AUTO
    precision: str = AUTO


def choose(
    find: Callable[[str], Path], export: Export, wanted: Wanted, threads: int, known: Mapping[str, str]
) -> dict[str, Way]:
    """Choose how each tower is computed.

    Args:
        find: Gives the path of one of the export's files by its name, as `ExportedTowers` takes it.
        export: What the export says of itself.
        wanted: What to choose from.
        threads: Threads that work on one batch.
        known: What was chosen earlier under the same circumstances; taken without measuring.

    Returns:
        A way by tower.

    Raises:
        UserError: A tower cannot be computed in any way that is wanted.
    """
    ways = {}
    for tower in exported.TOWERS:
        candidates = _candidates(export, tower, wanted)
        best = next((way for way in candidates if str(way) == known.get(tower) or len(candidates) == 1), None)
        ways[tower] = best or _fastest(find, export, tower, candidates, threads)
    return ways


def circumstances(export: Export, wanted: Wanted, threads: int) -> list[object]:
    """List everything that a choice depends on."""
    graphs = sorted((name, digest) for name, digest in export.files.items() if name.endswith(".onnx"))
    versions = [(name, runtimes.version(name)) for name in runtimes.installed()]
    return [graphs, processor(), threads, versions, wanted.runtime, wanted.precision]


def trouble(towers: ExportedTowers, probe_file: Path, tower: str, way: Way) -> str | None:
    """Say what is wrong with the vectors that a way gives here, if something is."""
    alike = probes.lowest_cosine(towers, probe_file, tower, way.stored)
    if alike >= probes.MIN_COSINE:
        return None
    return (
        f"the {tower} tower in {way} gives other vectors on this processor than where it was exported "
        f"(cosine {alike:.3f})"
    )


def _candidates(export: Export, tower: str, wanted: Wanted) -> list[Way]:
    there = runtimes.installed()
    if wanted.runtime not in (AUTO, *there):
        raise UserError(f"{wanted.runtime} is not installed: run pip install 'cl2cm-plugin[{wanted.runtime}]'.")
    every = [
        Way(runtime, precision)
        for runtime in there
        for precision in (*export.precisions(tower), *(["bf16"] if runtime == "openvino" and has_bf16() else []))
    ]
    found = [
        way for way in every if wanted.runtime in (AUTO, way.runtime) and wanted.precision in (AUTO, way.precision)
    ]
    if not found:
        raise UserError(
            f"the {tower} tower cannot be computed in {wanted.precision} here; there is "
            f"{', '.join(map(str, every))}. Take one of these, or export the model again."
        )
    return found


def _fastest(find: Callable[[str], Path], export: Export, tower: str, candidates: list[Way], threads: int) -> Way:
    """Find the fastest candidate among those that give the right vectors; they come in the order of preference."""
    seconds = {}
    probe_file = find(probes.FILE_NAME)
    for way in candidates:
        towers = ExportedTowers(find, export, way, way, threads)
        wrong = trouble(towers, probe_file, tower, way)
        if wrong:
            logger.warning("%s", wrong)
        else:
            seconds[way] = _time(towers, tower)
    if not seconds:
        raise UserError(
            f"no way of computing the {tower} tower ({', '.join(map(str, candidates))}) gives the vectors on this "
            "processor that it gave where the model was exported; export it again on this machine."
        )
    # Noise must not decide for good: of those that are about as fast, the first.
    best = next(way for way, spent in seconds.items() if spent <= _ABOUT * min(seconds.values()))
    if len(seconds) > 1:
        others = ", ".join(f"{way} {1000 * spent:.0f} ms" for way, spent in seconds.items())
        logger.info("%s tower: %s is the fastest here (%s)", tower, best, others)
    return best


def _time(towers: ExportedTowers, tower: str) -> float:
    """Measure the seconds that a batch takes: the best of several runs, since other programs only slow them."""
    if tower == "text":
        texts = [towers.prepare_text(text) for text in probes.TEXTS] * _REPEATED
        runs = [_seconds(lambda: towers.encode_texts(texts)) for _ in range(_RUNS)]
    else:
        pictures = [towers.prepare_image(picture) for picture in probes.pictures()]
        runs = [_seconds(lambda: towers.encode_images(pictures)) for _ in range(_RUNS)]
    return min(runs)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start

"""What a finished run leaves behind: one small JSON file, kept with the code."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.errors import UserError
from trainer.evaluation.picture_hits import PictureHits

if TYPE_CHECKING:
    from trainer.evaluation.measurement import LanguageResult

ALL, PARALLEL = "all", "parallel"


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        name: Name of the system in the plan.
        seed: Its seed.
        key: Hash of recipe, data and the code that decides what is learned.
        recipe: The complete recipe.
        seconds: What the run took of its cores: CPU time by core, so that neither a pause nor another program counts,
            and without what other runs had left in the caches. Earlier files have the time by the clock.
        machine: The processor, and how many cores.
        figures: By language and kind of query (``all``, ``parallel``): R@k, median ranks, SumR.
        hits: By language and kind of query: what was found picture by picture, as `PictureHits.as_dict` writes it.
    """

    name: str
    seed: int
    key: str
    recipe: dict[str, Any]
    seconds: float
    machine: str
    figures: dict[str, dict[str, Any]]
    hits: dict[str, dict[str, Any]]

    def sum_r(self, language: str, kind: str = ALL) -> float:
        """SumR of a language, by default of all queries; NaN where it was not measured."""
        return float(self.figures.get(language, {}).get(kind, {}).get("sum_r", float("nan")))

    def hits_of(self, language: str, kind: str = ALL) -> PictureHits:
        """What was found in a language, picture by picture."""
        return PictureHits.from_dict(self.hits[language][kind])


def file_of(folder: Path, name: str, seed: int, key: str) -> Path:
    """Name the file of a run."""
    return folder / f"{name}-seed{seed}-{key}.json"


def write(result: RunResult, folder: Path) -> Path:
    """Write a finished run, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    file = file_of(folder, result.name, result.seed, result.key)
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.rename(file)
    return file


def read(file: Path) -> RunResult:
    """Read a finished run.

    Raises:
        UserError: The file is something else.
    """
    try:
        return RunResult(**json.loads(file.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise UserError(f"{file} is no result of a run ({error}): delete it, and it is made anew.") from None


def measured(results: dict[str, LanguageResult]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Turn what was measured into the figures and hits of a `RunResult`."""
    figures: dict[str, dict[str, Any]] = {}
    hits: dict[str, dict[str, Any]] = {}
    for language, result in results.items():
        kinds = {ALL: result.all, **({PARALLEL: result.parallel} if result.parallel and result.differ else {})}
        figures[language] = {kind: one.figures.as_dict() for kind, one in kinds.items()}
        hits[language] = {kind: one.hits.as_dict() for kind, one in kinds.items()}
        if result.parallel is result.all:
            figures[language][PARALLEL] = figures[language][ALL]
    return figures, hits


def cores() -> int:
    """Count the cores."""
    return os.cpu_count() or 1


def machine() -> str:
    """Describe the processor, for the record."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    known = [name for name in ("amx_bf16", "avx512_bf16", "avx512_vnni", "avx512f", "avx2") if f" {name}" in flags]
    return f"{platform.machine()}, {cores()} cores, {known[0] if known else 'unknown vector unit'}"

"""A real Weaviate import of captioned pictures, against what the service and Weaviate allow; and kills in the middle.

Pictures are JPEG files of 640 x 480 that are all different; each object has two vectors, its picture's and its
picture's with its caption. R is the service's own rate, S that of the import with a vectorizer that does no work: an
import that does one after the other reaches 1/(1/R + 1/S). All three take turns, part by part, and the share is taken
within a part. With --kill one more import is disturbed: the vectorizer is killed at a third and Weaviate at two
thirds, both are started again, and the import is run again until it ends. Everything runs on the CPU.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importing_parts import archive, disturbed, rates, sides, tables
from rich.console import Console
from rich.progress import Progress
from serving_parts import machine
from serving_parts.samples import SEED
from serving_parts.services import Service

from cl2cm_plugin.vectorizer.background import background

if TYPE_CHECKING:
    from collections.abc import Sequence

CONSOLE = Console(width=122)


def main() -> None:
    """Print every table; the exit status is 1 where objects are lost, doubled, or without their vectors."""
    options = _options()
    exported = options.exported.resolve()
    fine = True
    with tempfile.TemporaryDirectory(prefix="importing-") as place, Progress(console=CONSOLE) as progress:
        parts = _parts(Path(place), options.pictures, options.parts, progress)
        everything, rounds = _measured(exported, parts, Path(place), progress)
        told = None
        if options.kill:
            whole = archive.together(Path(place) / "whole", parts)
            told = disturbed.run(exported, whole, Path(place) / "killed", progress)
    tables.rates(CONSOLE, rounds)
    fine = not sum(one.errors for one in rounds)
    if told:
        tables.story(CONSOLE, told)
        fine = fine and all(finding.fine for finding in told.findings)
        everything["kill"] = asdict(told)
    if options.out:
        options.out.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
    sys.exit(not fine)


def _parts(place: Path, pictures: int, parts: int, progress: Progress) -> list[archive.Archive]:
    step = -(-pictures // parts)
    ranges = [range(first, min(first + step, pictures)) for first in range(0, pictures, step)]
    return [archive.make(place / f"part-{number}", one, progress) for number, one in enumerate(ranges)]


def _measured(
    exported: Path, parts: Sequence[archive.Archive], place: Path, progress: Progress
) -> tuple[dict[str, Any], list[rates.Round]]:
    """Measure the rates, and give all figures for a file."""
    with background(exported) as running:
        service = Service(int(running.url.rpartition(":")[2]), running.process.pid)
        meta = service.ask("/meta")
        facts = machine.facts() | {name: meta[name] for name in ("model", "engine")} | {"seed": SEED}
        with (
            sides.stand_in(meta["dimensions"]) as idle,
            sides.weaviate(running.url, place / "weaviate") as server,
            server.connected() as client,
        ):
            facts["weaviate"] = client.get_meta()["version"]
            rounds = rates.measured(client, service, (running.url, idle), parts, progress)
    progress.console.print(
        f"{facts['processor']}, {facts['cores']} cores; {facts['model']}, {facts['engine']}; Weaviate "
        f"{facts['weaviate']}; seed {SEED}",
        highlight=False,
    )
    figures = [asdict(one) | {"allowed": one.allowed, "share": one.share} for one in rounds]
    return {**facts, "rounds": figures, "median": rates.summary(rounds)}, rounds


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exported", metavar="EXPORTED", type=Path, help="a model that `cl2cm export` wrote")
    parser.add_argument("--pictures", type=int, default=10_000, help="default: 10000")
    parser.add_argument("--parts", type=int, default=5, help="in how many parts they are measured (default: 5)")
    parser.add_argument("--kill", action="store_true", help="disturb one more import")
    parser.add_argument("--out", metavar="FILE.json", type=Path, help="where to write every figure")
    return parser.parse_args()


if __name__ == "__main__":
    main()

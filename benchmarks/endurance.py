"""Many clients at once for a long time, with bad input among the good: errors, throughput, latency and memory.

Clients send one object in each request, texts and pictures by halves, and the next as soon as they have the answer;
objects are distinct. Every good answer must hold one unit vector, and that of some objects is known beforehand and
must come again; every bad request must be refused with its own 4xx status. Seeded; everything runs on the CPU.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import httpx
from endurance_parts import tables
from endurance_parts.course import Course
from endurance_parts.mix import Mix
from endurance_parts.record import MINUTE
from rich.console import Console
from serving_parts import machine
from serving_parts.samples import SEED
from serving_parts.services import Service

from cl2cm_plugin.vectorizer.background import background

CONSOLE = Console(width=122)


def main() -> None:
    """Print every table and the verdict; the exit status is 1 where it did not hold."""
    options = _options()
    with background(options.exported.resolve()) as running:
        service = Service(int(running.url.rpartition(":")[2]), running.process.pid)
        meta = service.ask("/meta")
        facts = machine.facts() | {name: meta[name] for name in ("model", "engine")}
        facts |= {"seed": SEED, "clients": options.clients, "bad": options.bad}
        _introduce(facts)
        mix = Mix(service, meta["dimensions"], options.bad)
        course = Course(service, mix, options.minutes * MINUTE, options.clients)
        course.run(CONSOLE)
        metrics = _metrics(running.url)
    record, memory = course.record, course.memory
    tables.over_time(CONSOLE, record, memory)
    tables.by_kind(CONSOLE, record, mix.kinds)
    tables.whole(CONSOLE, record, memory, course.generator)
    verdict = tables.verdict(record, memory)
    CONSOLE.print(verdict, highlight=False)
    if options.out:
        resident = {"samples": memory.samples, "early": memory.early(), "late": memory.late(), "slope": memory.slope()}
        figures = {"resident_mib": resident, "generator": course.generator, "metrics": metrics, "verdict": verdict}
        everything = {**facts, **record.as_json(), **figures}
        options.out.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
    sys.exit(not verdict.startswith(tables.HELD))


def _metrics(url: str) -> dict[str, float]:
    """Read the service's own meters, without their histograms' steps."""
    lines = httpx.get(f"{url}/metrics", trust_env=False).text.splitlines()
    values = (line.rpartition(" ") for line in lines if not line.startswith("#") and "_bucket{" not in line)
    return {name: float(value) for name, _, value in values}


def _introduce(facts: dict[str, Any]) -> None:
    CONSOLE.print(
        f"{facts['processor']}, {facts['cores']} cores; {facts['model']}, {facts['engine']}; {facts['clients']} "
        f"clients, {facts['bad']:.1%} bad input, seed {facts['seed']}",
        highlight=False,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exported", metavar="EXPORTED", type=Path, help="a model that `cl2cm export` wrote")
    parser.add_argument("--minutes", type=float, default=60, help="how long (default: 60)")
    parser.add_argument("--clients", type=int, default=80, help="requests under way at any time (default: 80)")
    parser.add_argument("--bad", type=float, default=0.01, help="share of bad requests (default: 0.01)")
    parser.add_argument("--out", metavar="FILE.json", type=Path, help="where to write every figure")
    return parser.parse_args()


if __name__ == "__main__":
    main()

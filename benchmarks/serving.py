"""Our service against one written as stock containers are, and against no service at all, on the same weights.

Stock: one lock, one object a forward, torch in single precision, lists and JSON; it runs with and without the setting
of `cl2cm_plugin.allocator`, and the faster counts. No service: a plain loop of sentence-transformers in batches of 32,
and our engine alone. Clients send one object in each request and the next as soon as they have the answer; objects are
distinct, so no service can answer from memory. All sides take turns, one at work at a time, and ratios are taken
within a round: what else the machine does slows all of them. Everything runs on the CPU.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from serving_parts import aims, machine, rounds, services, tables
from serving_parts.in_process import Weights
from serving_parts.results import Course
from serving_parts.samples import KINDS, PICTURES, SEED, TEXTS

from cl2cm_plugin.allocator import restart_with_fast_allocator
from cl2cm_plugin.encoder import model_store


def main() -> None:
    """Print every table."""
    restart_with_fast_allocator()
    options = _options()
    model, exported = model_store.resolve(options.model), options.exported.resolve()
    course = Course(options.kinds, sorted(options.clients), options.seconds, options.rounds)
    with services.running(model, exported) as running:
        facts = machine.facts() | _compared(running)
        _introduce(facts)
        weights = Weights(str(model), str(exported), facts["engine"])
        with _worker() as generator, _worker() as beside:
            results = rounds.run(course, running, weights, generator, beside)
    for kind in course.kinds:
        tables.side_by_side(results, kind)
        tables.without_service(results, kind)
        tables.where_time_goes(results, kind)
    judged = aims.judged(results)
    aims.show(judged, facts["instructions"])
    if options.out:
        everything = {**facts, **results.as_json(), "aims": [vars(aim) for aim in judged]}
        options.out.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")


def _compared(running: dict[str, services.Service]) -> dict[str, Any]:
    """Check that all services give the same vectors, and say what ours is."""
    meta = running[services.OURS].ask("/meta")
    return {
        "lowest_cosine": services.check_same_vectors(running),
        "model": meta["model"],
        "engine": meta["engine"],
        "seed": SEED,
    }


def _introduce(facts: dict[str, Any]) -> None:
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items() if version)
    lines = (
        f"{facts['processor']}, {facts['cores']} cores, {' '.join(facts['instructions'])}",
        f"Python {facts['python']}, {versions}",
        f"{facts['model']}: cl2cm serve runs {facts['engine']}; stock runs torch in single precision; lowest cosine "
        f"between their vectors: {facts['lowest_cosine']:.4f}",
        f"Seed {facts['seed']}: {TEXTS:,} distinct texts of 5 to 20 words, more than are remembered; {PICTURES} JPEG "
        f"pictures of 640 x 480, each request's made another file by a number in it",
    )
    tables.CONSOLE.print("\n".join(lines), highlight=False)


def _worker() -> ProcessPoolExecutor:
    """Make a process that does one thing at a time and keeps what it has loaded: the generator's CPU is its own."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", help="an installed model's name, or a model folder")
    parser.add_argument("exported", metavar="EXPORTED", type=Path, help="the folder that `cl2cm export` wrote of it")
    parser.add_argument("--seconds", type=float, default=6, help="how long one measurement takes (default: 6)")
    parser.add_argument("--rounds", type=int, default=3, help="how often all of them are made (default: 3)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 80], help="default: 1 8 32 80")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="default: both")
    parser.add_argument("--out", metavar="FILE.json", type=Path, help="where to write every figure")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""The tables, and the verdict."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table
from serving_parts.samples import KINDS

from endurance_parts.record import MINUTE, percentiles

if TYPE_CHECKING:
    from rich.console import Console

    from endurance_parts.memory import Memory
    from endurance_parts.record import Record

HELD = "Held"
_ROWS = 12


def over_time(console: Console, record: Record, memory: Memory) -> None:
    """Print throughput, latency, faults and memory, in at most twelve rows."""
    table = Table(
        "minutes",
        "texts/s",
        "pictures/s",
        "bad/s",
        "p50, ms",
        "p99, ms",
        "wrong answers",
        "RSS, MiB",
        title="Over time",
    )
    whole = memory.samples[-1][0]
    step = math.ceil(len(record.minutes) / _ROWS)
    for first in range(0, len(record.minutes), step):
        minutes = record.minutes[first : first + step]
        until = min((first + len(minutes)) * MINUTE, whole)
        seconds = until - first * MINUTE
        counts = {kind: sum(minute.answered[kind] for minute in minutes) for kind in KINDS}
        bad = sum(minute.answered.total() for minute in minutes) - sum(counts.values())
        latency = percentiles(minutes)
        table.add_row(
            f"{first} to {until / MINUTE:.3g}",
            *(f"{count / seconds:.1f}" for count in (*counts.values(), bad)),
            f"{latency['p50']:.0f}",
            f"{latency['p99']:.0f}",
            str(sum(minute.faults for minute in minutes)),
            f"{memory.near(until):.0f}",
        )
    console.print(table)


def by_kind(console: Console, record: Record, kinds: list[str]) -> None:
    """Print how many requests of each kind were answered, and how many wrongly."""
    table = Table("requests", "answered", "wrongly", title="By kind")
    answered = record.answered()
    for kind in kinds:
        table.add_row(
            kind, f"{answered[kind]:,}", str(record.faults[kind, kind in KINDS]), end_section=kind == KINDS[-1]
        )
    console.print(table)
    for fault in record.first_faults:
        console.print(fault, highlight=False, markup=False)


def whole(console: Console, record: Record, memory: Memory, generator: float) -> None:
    """Print the figures of the whole time."""
    seconds = memory.samples[-1][0]
    latency = percentiles(record.minutes)
    answered = record.answered().total()
    table = Table("", "", title="In all", show_header=False)
    table.add_row("requests answered", f"{answered:,}, {answered / seconds:.1f}/s")
    table.add_row("of them bad", f"{record.bad:,}")
    table.add_row("good ones answered wrongly", str(record.good_faults()))
    table.add_row("bad ones answered otherwise than with their 4xx", str(record.bad_faults()))
    table.add_row(
        "latency of good ones: p50, p99, longest", ", ".join(f"{value:.0f} ms" for value in latency.values())
    )
    table.add_row("RSS after 5 % of the time, and at the end", f"{memory.early():.0f} MiB, {memory.late():.0f} MiB")
    table.add_row("its slope between", f"{memory.slope():+.1f} MiB an hour")
    table.add_row("the load generator's share of the cores' time", f"{generator:.1%}")
    console.print(table)


def verdict(record: Record, memory: Memory) -> str:
    """Say in a sentence whether it held."""
    errors = record.good_faults(), record.bad_faults()
    grown = memory.judged() and not memory.flat()
    growth = f"memory grew by {memory.late() / memory.early() - 1:.0%}"
    parts = [
        f"{errors[0] or 'no'} errors on good input",
        f"{errors[1] or 'no'} wrong refusals of bad input",
        growth if grown else "memory flat" if memory.judged() else f"too short to judge memory ({growth})",
    ]
    return f"{'Failed' if any(errors) or grown else HELD}: {', '.join(parts)}."

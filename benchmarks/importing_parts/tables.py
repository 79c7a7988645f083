"""The tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from importing_parts.rates import CLIENTS, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from importing_parts.disturbed import Story
    from importing_parts.rates import Round

SHARE = 0.9


def rates(console: Console, rounds: Sequence[Round]) -> None:
    """Print what each part of the pictures gave, and the medians."""
    columns = ("objects", "R, objects/s", "S, objects/s", "1/(1/R+1/S)", "import, objects/s", "share", "errors")
    table = Table(*columns, title="Import of captioned pictures, two vectors each")
    for one in rounds:
        figures = (one.service, one.stand_in, one.allowed, one.real)
        table.add_row(
            f"{one.objects:,}",
            *(f"{value:.1f}" for value in figures),
            f"{one.share:.1%}",
            str(one.errors),
            end_section=one is rounds[-1],
        )
    middle = summary(rounds)
    table.add_row(
        "median",
        *(f"{middle[name]:.1f}" for name in ("service", "stand_in", "allowed", "real")),
        f"{middle['share']:.1%}",
        str(sum(one.errors for one in rounds)),
    )
    table.caption = (
        f"R: the service asked by {CLIENTS} clients for what Weaviate asks, as if the cores' time that these took "
        f"had been its own too ({middle['measured']:.1f} as measured), before and after each import. S: the import "
        "with a vectorizer that does no work."
    )
    console.print(table)
    verdict = "met" if middle["share"] >= SHARE else "missed"
    console.print(f"At least {SHARE:.0%} of what the service and Weaviate allow together: {verdict}.", highlight=False)


def story(console: Console, told: Story) -> None:
    """Print what happened during the kills, and what was there in the end."""
    events = Table("s", "event", title="kill -9 in the middle of an import")
    for seconds, event in told.events:
        events.add_row(f"{seconds:.1f}", event)
    console.print(events)
    table = Table("looked at", "found", "", title="What the collection holds in the end")
    for finding in told.findings:
        table.add_row(finding.name, finding.found, "as it should be" if finding.fine else "WRONG")
    console.print(table)

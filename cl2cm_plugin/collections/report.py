"""What an import did."""

from __future__ import annotations

from dataclasses import dataclass, field

_LISTED = 20


@dataclass
class ImportReport:
    """What an import did; ``str(report)`` is a summary for people.

    Attributes:
        imported: Pictures that were new or had changed.
        unchanged: Pictures that the collection already held, with the same caption.
        mended: Pictures among these that no search found, as after a crash of the server; they were inserted anew.
        without_vector: Files, of pictures imported with given vectors, whose vector the vectorizer had to make.
        failed: File (relative to the folder) and reason of each picture that was left out.
        seconds: How long it took.
    """

    imported: int = 0
    unchanged: int = 0
    mended: int = 0
    without_vector: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        speed = f" ({self.imported / self.seconds:.0f} a second)" if self.imported and self.seconds else ""
        lines = [
            f"{_pictures(self.imported)} imported, {self.unchanged} unchanged, {len(self.failed)} failed "
            f"in {self.seconds:.1f} s{speed}."
        ]
        if self.mended:
            lines.append(f"  {_pictures(self.mended)} that no search found (the server was killed?) inserted anew.")
        if self.without_vector:
            listed = ", ".join(self.without_vector[:_LISTED])
            more = f" and {len(self.without_vector) - _LISTED} more" if len(self.without_vector) > _LISTED else ""
            lines.append(f"  No vector given, so left to the vectorizer: {listed}{more}.")
        lines += [f"  {file}: {reason}" for file, reason in self.failed[:_LISTED]]
        if len(self.failed) > _LISTED:
            lines.append(f"  and {len(self.failed) - _LISTED} more")
        return "\n".join(lines)


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"

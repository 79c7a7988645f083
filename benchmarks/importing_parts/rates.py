"""The service's own rate, the import with the stand-in, and the real import, in turns."""

from __future__ import annotations

import base64
import json
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving_parts.load import Plan, measure
from serving_parts.samples import BODIES, numbered

from cl2cm_plugin import collections
from cl2cm_plugin.vectorizer import cores
from importing_parts.sides import create

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.progress import Progress
    from serving_parts.services import Service
    from weaviate import WeaviateClient
    from weaviate.collections import Collection

    from importing_parts.archive import Archive

CLIENTS = 32
_SECONDS, _WARM_UP = 10.0, 2.0
# Weaviate asks once for each vector of an object: its picture's, and its picture's with its caption.
_REQUESTS_AN_OBJECT = 2


@dataclass(frozen=True)
class Round:
    """What one part of the pictures gave, in objects a second.

    Attributes:
        objects: How many there are.
        service: R, what the service answers to clients, as if the cores' time that these took had been its own too.
        measured: The same as it was measured.
        stand_in: S, the import with the stand-in.
        real: The import with the service.
        errors: Requests to the service that failed, and objects that were not imported.
    """

    objects: int
    service: float
    measured: float
    stand_in: float
    real: float
    errors: int

    @property
    def allowed(self) -> float:
        """What the service and the rest allow together when each object takes both their times."""
        return 1 / (1 / self.service + 1 / self.stand_in)

    @property
    def share(self) -> float:
        """The real import, of what is allowed."""
        return self.real / self.allowed


def measured(
    client: WeaviateClient,
    service: Service,
    addresses: tuple[str, str],
    archives: Sequence[Archive],
    progress: Progress,
) -> list[Round]:
    """Take turns on one part of the pictures after the other; both collections grow alike.

    Args:
        client: Of the Weaviate server.
        service: The vectorizer.
        addresses: Its address, and the stand-in's.
        archives: The parts.
        progress: Shows how far it is.
    """
    real, idle = create(client, "Real", addresses[0]), create(client, "StandIn", addresses[1])
    task = progress.add_task("R, S, import by turns", total=len(archives) * 4)
    rounds = []
    for archive in archives:
        before = _load(service, archive)
        progress.advance(task)
        with_stand_in, left_out = _import(idle, archive)
        progress.advance(task)
        with_service, lost = _import(real, archive)
        progress.advance(task)
        # Before and after: the import is compared with what the machine gave around it.
        after = _load(service, archive)
        progress.advance(task)
        errors = left_out + lost + before[2] + after[2]
        rates = [statistics.mean(pair) for pair in zip(before[:2], after[:2], strict=True)]
        rounds.append(Round(len(archive.captions), *rates, with_stand_in, with_service, errors))
    return rounds


def _import(collection: Collection, archive: Archive) -> tuple[float, int]:
    report = collections.import_folder(collection, archive.folder, progress=False)
    return report.imported / report.seconds, len(archive.captions) - report.imported


def _load(service: Service, archive: Archive) -> tuple[float, float, int]:
    kind = f"objects of {archive.folder.name}"
    BODIES[kind] = lambda: _bodies(archive)
    load = measure(Plan(service.port, service.process, kind, CLIENTS, _SECONDS, _WARM_UP))
    rate = load.throughput / _REQUESTS_AN_OBJECT
    return rate / (1 - load.generator / cores.visible()), rate, load.errors


def _bodies(archive: Archive) -> Callable[[int], bytes]:
    """Prepare request bodies, two for each object; numbers in the files make all objects distinct."""
    known = [(archive.folder / file, caption) for file, caption in archive.captions.items()]

    def make(number: int) -> bytes:
        place, which = divmod(number, _REQUESTS_AN_OBJECT)
        file, caption = known[place % len(known)]
        images = b'"images":["%b"]}' % base64.b64encode(numbered(file.read_bytes(), place))
        return (
            b"{" + images if which == 0 else b'{"texts":[%b],%b' % (json.dumps(f"{caption} {place}").encode(), images)
        )

    return make


def summary(rounds: Sequence[Round]) -> dict[str, float]:
    """Give each figure's median over the rounds."""
    names = ("service", "measured", "stand_in", "allowed", "real", "share")
    return {name: statistics.median(getattr(one, name) for one in rounds) for name in names}

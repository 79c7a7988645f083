"""An import during which the vectorizer and then Weaviate are killed."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
from serving_parts.services import Service
from weaviate.exceptions import WeaviateBaseError

from cl2cm_plugin import collections
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.background import background
from importing_parts import complete
from importing_parts.complete import Finding
from importing_parts.sides import create, weaviate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.progress import Progress
    from weaviate.collections import Collection

    from cl2cm_plugin.collections import ImportReport
    from importing_parts.archive import Archive

_NAME = "Disturbed"
_POLL = 0.2
_DOWN = 3.0
# The importer's own default is a minute; the vectorizer is back in a fraction of that.
_WAIT = 30.0
_MOST_EVENTS = 20


class Vectorizer:
    """The service on one port, which can be killed and started again.

    Args:
        exported: A model that `cl2cm export` wrote.
    """

    def __init__(self, exported: Path) -> None:
        self._exported = exported
        self._stack = ExitStack()
        self._running = self._stack.enter_context(background(exported))
        self.url = self._running.url

    def crash(self) -> None:
        """Kill it, and start it again a few seconds later on the same port."""
        self._running.kill()
        time.sleep(_DOWN)
        self._running = self._stack.enter_context(background(self._exported, self._port))

    def service(self) -> Service:
        """Give it as something to ask."""
        return Service(self._port, self._running.process.pid)

    def stop(self) -> None:
        """End it for good."""
        self._stack.close()

    @property
    def _port(self) -> int:
        return int(self.url.rpartition(":")[2])


@dataclass(frozen=True)
class Kill:
    """Something that is killed.

    Attributes:
        at: With how many objects in the collection.
        name: Of what is killed.
        act: Kills it.
    """

    at: int
    name: str
    act: Callable[[], None]


@dataclass
class Story:
    """What happened.

    Attributes:
        start: Of `time.perf_counter`.
        events: Seconds since the start, and a sentence.
        killed: How many objects were there at each kill.
        findings: What the collection held in the end.
    """

    start: float = field(default_factory=time.perf_counter)
    events: list[tuple[float, str]] = field(default_factory=list)
    killed: list[int] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def tell(self, event: str) -> None:
        """Note an event."""
        self.events.append((time.perf_counter() - self.start, event))


def run(exported: Path, archive: Archive, data: Path, progress: Progress) -> Story:
    """Import, kill, start again, import again until an import ends by itself, and look at what is there.

    Args:
        exported: A model that `cl2cm export` wrote.
        archive: What is imported.
        data: Weaviate's data folder.
        progress: Shows how far it is.
    """
    vectorizer, story = Vectorizer(exported), Story()
    try:
        with weaviate(vectorizer.url, data) as server:
            total = len(archive.captions)
            pending = [
                Kill(total // 3, "the vectorizer", vectorizer.crash),
                Kill(2 * total // 3, "Weaviate", server.crash),
            ]
            with server.connected() as client:
                create(client, _NAME, vectorizer.url)
            task = progress.add_task("import with kills", total=total)
            report = None
            # The last one finds that nothing is left to do.
            while len(story.events) < _MOST_EVENTS and (report is None or report.imported):
                with server.connected() as client:
                    collection = client.collections.use(_NAME)
                    with _watched(collection, pending, story, lambda count: progress.update(task, completed=count)):
                        report = _import(collection, archive, story)
            progress.update(task, completed=total)
            unchanged = report.unchanged if report else 0
            with server.connected() as client:
                collection = client.collections.use(_NAME)
                found = complete.findings(collection, archive, vectorizer.service(), story.killed, progress)
    finally:
        vectorizer.stop()
    story.findings = [
        Finding("kills while it was importing", f"{len(story.killed)} of 2", not pending),
        Finding("unchanged when imported once more", f"{unchanged:,} of {total:,}", unchanged == total),
        *found,
    ]
    return story


def _import(collection: Collection, archive: Archive, story: Story) -> ImportReport | None:
    """Import as a user would; None if it did not come to its end."""
    story.tell("an import begins")
    try:
        report = collections.import_folder(collection, archive.folder, wait_seconds=_WAIT, progress=False)
    except (UserError, WeaviateBaseError, httpx.HTTPError) as error:
        story.tell(f"the import stops, {type(error).__name__}: {error}")
        return None
    story.tell(f"the import ends: {report}")
    return report


@contextmanager
def _watched(collection: Collection, pending: list[Kill], story: Story, show: Callable[[int], None]) -> Iterator[None]:
    """Kill what is due while a block runs."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_POLL):
            try:
                count = collection.aggregate.over_all(total_count=True).total_count or 0
            except (WeaviateBaseError, httpx.HTTPError):
                continue
            show(count)
            if pending and count >= pending[0].at:
                kill = pending.pop(0)
                story.killed.append(count)
                story.tell(f"{kill.name} is killed, with {count:,} objects there")
                kill.act()
                story.tell(f"{kill.name} answers again")

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()

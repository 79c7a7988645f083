"""A vectorizer in a process of its own, for as long as a block of code runs."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.web.paths import READY

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANNOUNCEMENT = re.compile(r"CLIP_INFERENCE_API=(\S+)")
_POLL = 0.05
_LAST_LINES = 15
_GRACE = 10


@dataclass(frozen=True)
class RunningVectorizer:
    """A vectorizer that answers.

    Attributes:
        url: Its address, without a slash at the end.
        process: Its process.
    """

    url: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def background(folder: str | Path, port: int = 0, *, timeout: float = 120) -> Iterator[RunningVectorizer]:
    """Run ``cl2cm serve`` beside this program.

    Args:
        folder: A model folder, or the name of an installed model.
        port: TCP port on 127.0.0.1; 0 takes a free one.
        timeout: Seconds within which it must be ready.

    Yields:
        The vectorizer, ready to answer; it is stopped when the block ends.

    Raises:
        UserError: It ended, or was not ready in time; the message has the last lines of its output.
    """
    with tempfile.TemporaryDirectory(prefix="cl2cm-") as place:
        # A file and not a pipe, which would block the process once it is full.
        output = Path(place) / "output"
        command = [sys.executable, "-m", "cl2cm_plugin.cli", "serve", str(folder), "--port", str(port)]
        with output.open("wb") as stream:
            process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)  # noqa: S603 - our own command
        try:
            yield RunningVectorizer(_wait(process, output, timeout), process)
        finally:
            _stop(process)


def _wait(process: subprocess.Popen[bytes], output: Path, timeout: float) -> str:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        announced = _ANNOUNCEMENT.search(output.read_text(errors="replace"))
        if announced and _is_ready(announced[1]):
            return announced[1]
        if process.poll() is not None:
            raise UserError(f"the vectorizer ended with status {process.returncode}:\n{_last_lines(output)}")
        time.sleep(_POLL)
    raise UserError(f"the vectorizer was not ready within {timeout:g} s:\n{_last_lines(output)}")


def _is_ready(url: str) -> bool:
    # No proxy: one from the environment could not reach this machine's loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}{READY}", timeout=2) as response:
            return bool(response.status == 204)
    except (urllib.error.URLError, OSError):
        return False


def _last_lines(output: Path) -> str:
    return "\n".join(output.read_text(errors="replace").splitlines()[-_LAST_LINES:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

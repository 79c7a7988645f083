"""Find or make the Weaviate server's binary: cached, else downloaded, else built with Go."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from hashlib import sha256
from pathlib import Path

import httpx
from rich.console import Console
from weaviate.embedded import EmbeddedOptions, EmbeddedV4

from cl2cm_plugin.errors import UserError

VERSION = "1.38.11"
RELEASES = "https://github.com/weaviate/weaviate/releases/download"
GO_MODULE = f"github.com/weaviate/weaviate/cmd/weaviate-server@v{VERSION}"
PROBE_SECONDS = 5.0
_LOG_LINES = 5


def cached_path(folder: Path | None = None) -> Path:
    """Where the binary lies, or would lie.

    Args:
        folder: The cache; by default the one of weaviate-client's embedded mode, so that both share a binary.

    Returns:
        The file name that weaviate-client expects of this version.
    """
    folder = folder or Path(EmbeddedOptions().binary_path)
    return folder / f"weaviate-v{VERSION}-{sha256(f'v{VERSION}'.encode()).hexdigest()}"


def server_binary(folder: Path | None = None, console: Console | None = None) -> Path:
    """Find the server's binary, or download it, or build it.

    Args:
        folder: The cache; by default the one of weaviate-client's embedded mode.
        console: Where progress is shown; by default standard error.

    Returns:
        An executable file.

    Raises:
        UserError: There is none, nothing can be downloaded, and there is no Go toolchain that can build it.
    """
    binary = cached_path(folder)
    if not binary.is_file():
        binary.parent.mkdir(parents=True, exist_ok=True)
        # Inside the cache, so that the finished file appears there in one step.
        with tempfile.TemporaryDirectory(dir=binary.parent, prefix=".making-") as workshop:
            made = _make(Path(workshop), console or Console(stderr=True))
            made.chmod(0o755)
            made.replace(binary)
    if not os.access(binary, os.X_OK):
        binary.chmod(0o755)
    return binary


def _make(workshop: Path, console: Console) -> Path:
    obstacles = []
    if not can_download():
        obstacles.append(f"{RELEASES} does not answer within {PROBE_SECONDS:.0f} seconds")
    else:
        try:
            with console.status(f"downloading the Weaviate server {VERSION} (once)"):
                return download(workshop)
        except Exception as error:  # noqa: BLE001 - whatever went wrong in the client's own code, Go may still do
            obstacles.append(f"the download failed ({error})")
    go = shutil.which("go")
    if go is None:
        obstacles.append("there is no Go toolchain (`go`) on the PATH")
    else:
        try:
            return build(go, workshop, console)
        except subprocess.CalledProcessError as error:
            obstacles.append(f"`go install {GO_MODULE}` failed ({error.output})")
    raise UserError(
        f"There is no Weaviate server {VERSION} on this machine and none can be made: {'; '.join(obstacles)}. "
        f"Three ways out: name a running server in WEAVIATE_URL; or put the binary of {RELEASES}/v{VERSION} at "
        f"{cached_path(workshop.parent)}; or install Go (https://go.dev/dl) and run the command again."
    )


def can_download() -> bool:
    """Probe the release host.

    Returns:
        Whether the release answers within five seconds. Looking up a host name can hang longer than any timeout of
        a connection, hence the thread.
    """
    answers: list[bool] = []

    def probe() -> None:
        try:
            url = _client_embedded(Path(tempfile.gettempdir()))._download_url
            answers.append(httpx.head(url, timeout=PROBE_SECONDS, follow_redirects=True).is_success)
        except httpx.HTTPError:
            answers.append(False)

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return bool(answers) and answers[0]


def download(workshop: Path) -> Path:
    """Let weaviate-client download the binary.

    Args:
        workshop: An empty folder.

    Returns:
        The binary in it.
    """
    _client_embedded(workshop).ensure_weaviate_binary_exists()
    return cached_path(workshop)


def _client_embedded(folder: Path) -> EmbeddedV4:
    return EmbeddedV4(EmbeddedOptions(version=VERSION, binary_path=str(folder), persistence_data_path=str(folder)))


def build(go: str, workshop: Path, console: Console) -> Path:
    """Build the binary; GOPROXY, GOFLAGS and Go's own caches are those of the environment.

    Args:
        go: The Go command.
        workshop: An empty folder.
        console: Where the elapsed time is shown.

    Returns:
        The binary.

    Raises:
        subprocess.CalledProcessError: The build failed; ``output`` holds its last lines.
    """
    # At low priority: whatever else runs meanwhile goes first.
    nice = shutil.which("nice")
    command = [*([nice, "-n", "19"] if nice else []), go, "install", "-trimpath", "-ldflags", "-s -w", GO_MODULE]
    # A compiler is a short process: collecting its garbage less often saves time, for some hundred megabytes.
    environment = {"GOGC": "400", **os.environ, "CGO_ENABLED": "0", "GOBIN": str(workshop)}
    log = workshop / "build.log"
    start = time.monotonic()
    with log.open("wb") as output, console.status("") as status:
        process = subprocess.Popen(  # noqa: S603 - a fixed command
            command, env=environment, cwd=workshop, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            while process.poll() is None:
                seconds = int(time.monotonic() - start)
                status.update(f"building the Weaviate server {VERSION} with Go (once, some minutes): {seconds} s")
                time.sleep(0.2)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise subprocess.CalledProcessError(process.returncode, command, " / ".join(lines[-_LOG_LINES:]))
    return workshop / "weaviate-server"

"""A connection to Ray that says little: to the cluster of ``RAY_ADDRESS``, or to one started on this machine."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

from cl2cm_plugin import allocator
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEBIBYTE = 1024 * 1024
_LOCAL = "local"
_SETTINGS = "CL2CM_"
_SECRET = "CL2CM_TOKEN"  # noqa: S105 - a variable's name
# Who asks for no GPU sees none; Ray would leave it all of them.
_NO_GPU_UNASKED = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}


def is_local() -> bool:
    """Whether Ray is started on this machine, because ``RAY_ADDRESS`` names no cluster."""
    return (os.environ.get("RAY_ADDRESS") or _LOCAL) == _LOCAL


@contextmanager
def connected(cpus: int, log: Path, *, objects: int = 1024 * MEBIBYTE, dashboard: bool = False) -> Iterator[TextIO]:
    """Be connected to Ray.

    What Ray and its processes write to standard error goes into a file. Our own settings (``CL2CM_*``, but no token)
    reach its workers wherever they run.

    Args:
        cpus: Of a cluster that is started here, how many it takes itself to have; threads are not bound to them.
        log: The file for what Ray says.
        objects: Of such a cluster, bytes of memory for what is on its way between workers.
        dashboard: Whether such a cluster has one. Ray Train asks it which runs have died: without it, what a stopped
            trial took is never given to the next one.

    Yields:
        The standard error that people see, for what we have to say ourselves.

    Raises:
        UserError: There is no cluster at ``RAY_ADDRESS``.
    """
    # It would tell of each session, and needs the network for it.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    address = os.environ.get("RAY_ADDRESS") or _LOCAL
    here: dict[str, Any] = {"num_cpus": cpus, "object_store_memory": objects, "include_dashboard": dashboard}
    with _standard_error_in(log) as terminal:
        try:
            ray.init(
                address,
                logging_level=logging.ERROR,
                log_to_driver=False,
                runtime_env={"env_vars": _settings()},
                **(here if address == _LOCAL else {}),
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(f"Ray cannot be used at {address} ({error}); RAY_ADDRESS says where it is.") from None
        try:
            yield terminal
        finally:
            ray.shutdown()


def _settings() -> dict[str, str]:
    own = {
        name: value
        for name, value in os.environ.items()
        if (name.startswith(_SETTINGS) and name != _SECRET) or name in allocator.SETTING
    }
    return own | _NO_GPU_UNASKED


@contextmanager
def _standard_error_in(log: Path) -> Iterator[TextIO]:
    """Send what is written to standard error to a file, also what comes from below Python; give the real one."""
    sys.stderr.flush()
    kept = os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        # What Ray prints goes the same way.
        with os.fdopen(os.dup(kept), "w") as terminal, redirect_stdout(sys.stderr):
            yield terminal
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)

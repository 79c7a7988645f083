"""What Ray calls in every worker; a driver names it without importing what workers need."""

from __future__ import annotations

from typing import Any


def work(config: dict[str, Any]) -> None:
    """Train in one of the workers; every one of them runs this.

    Args:
        config: A `Task` under ``task``.
    """
    from tuning.worker import train_task

    train_task(config["task"])

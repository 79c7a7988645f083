"""What would make every trial fail is looked for before the first one starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from tuning.cluster import is_local
from tuning.trial import without_work

if TYPE_CHECKING:
    from tuning.trial import Resources, Study


def check_room(resources: Resources, cores: int) -> None:
    """Make sure that this machine has what one trial takes; a cluster may be one that grows.

    Args:
        resources: What one trial takes.
        cores: What this machine has.

    Raises:
        UserError: It has not, and the trial would wait for ever.
    """
    if not is_local():
        return
    cpus = resources.workers * resources.cpus
    if cpus > cores:
        raise UserError(
            f"A trial takes {cpus} CPUs ({resources.workers} times {resources.cpus}), and this machine has {cores}: "
            "lower --workers or --cpus-per-worker, or name a cluster in RAY_ADDRESS."
        )
    if resources.gpus:
        import torch

        gpus, there = resources.workers * resources.gpus, torch.cuda.device_count()
        if gpus > there:
            raise UserError(
                f"A trial takes {gpus:g} GPUs, and this machine has {there}: lower --workers or --gpus-per-worker, "
                "or name a cluster in RAY_ADDRESS."
            )


def check_workers(study: Study) -> None:
    """Make sure that every worker of the base recipe's trial has something to do, and a GPU of its own.

    Args:
        study: The search.

    Raises:
        UserError: It has not.
    """
    resources = study.resources
    if resources.workers > 1 and 0 < resources.gpus < 1:
        raise UserError(
            f"{resources.workers} workers of a trial cannot share a GPU: say --gpus-per-worker 1, or --workers 1."
        )
    if reason := without_work(study.space.recipe_of({}), resources.workers):
        raise UserError(reason)


def check_storage(storage: Path) -> None:
    """Make sure that a search can keep its files.

    Raises:
        UserError: The folder cannot be made or written.
    """
    try:
        storage.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{storage} cannot be made ({error.strerror}): name another --storage.") from None
    if not os.access(storage, os.W_OK):
        raise UserError(f"{storage} cannot be written: name another --storage.")


def check_data(study: Study) -> None:
    """Put together what every trial trains on.

    Args:
        study: The search; data that only a cluster's nodes see are left to its trials.

    Raises:
        UserError: The data are no corpus, or lack what the base recipe asks for.
    """
    if not is_local() and not Path(study.data).exists():
        return
    from tuning.training_on import check

    check(study.space.recipe_of({}), study.data)

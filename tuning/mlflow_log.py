"""Trials in MLflow as well: looked for before a search starts, since it would end the search."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ray.tune import Callback

_EXPERIMENT = "cl2cm"
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


def mlflow_logger(uri: str) -> Callback:
    """Make the listener that logs each trial's values and figures as a run of the experiment ``cl2cm``.

    Args:
        uri: An MLflow server or database.

    Raises:
        UserError: MLflow is not installed, or cannot be reached there.
    """
    try:
        import mlflow
    except ModuleNotFoundError:
        raise UserError("--mlflow needs the Python package mlflow: pip install mlflow") from None
    try:
        with _asking_once():
            mlflow.MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
    except Exception as error:  # noqa: BLE001 - each of MLflow's stores has its own
        said = str(error).strip().split(". ")[0].splitlines()
        raise UserError(
            f"MLflow cannot be used at {uri} ({said[0] if said else type(error).__name__}): name a server that runs, "
            "as http://host:5000, or a database, as sqlite:////folder/mlflow.db."
        ) from None
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    return MLflowLoggerCallback(tracking_uri=uri, experiment_name=_EXPERIMENT)


@contextmanager
def _asking_once() -> Iterator[None]:
    """Ask a server once: MLflow would go on for minutes, as it should later."""
    before = os.environ.get(_RETRIES)
    os.environ[_RETRIES] = "0"
    try:
        yield
    finally:
        os.environ.pop(_RETRIES)
        if before is not None:
            os.environ[_RETRIES] = before

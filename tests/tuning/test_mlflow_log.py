from __future__ import annotations

import os
import sys
from types import ModuleType, SimpleNamespace

import pytest

from cl2cm_plugin.errors import UserError
from tuning.mlflow_log import mlflow_logger


@pytest.fixture
def mlflow(monkeypatch):
    """Stands for MLflow: what it is asked, and how often it would ask a server again meanwhile."""
    module, asked = ModuleType("mlflow"), []

    def client(tracking_uri):
        def search(max_results):
            asked.append((tracking_uri, os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]))
            if "nowhere" in tracking_uri:
                raise RuntimeError("The store is not there. Read on at length.\nAnd on.")

        return SimpleNamespace(search_experiments=search)

    module.MlflowClient = client
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setattr("ray.air.integrations.mlflow.MLflowLoggerCallback", SimpleNamespace)
    return asked


def test_a_server_that_answers_is_logged_to(mlflow, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "7")
    logger = mlflow_logger("http://host:5000")

    assert mlflow == [("http://host:5000", "0")]
    assert vars(logger) == {"tracking_uri": "http://host:5000", "experiment_name": "cl2cm"}
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "7"


def test_a_server_that_does_not_answer_is_one_sentence(mlflow, monkeypatch):
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    with pytest.raises(UserError, match=r"used at http://nowhere \(The store is not there\): name a server that runs"):
        mlflow_logger("http://nowhere")

    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ

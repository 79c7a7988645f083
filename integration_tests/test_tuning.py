"""Searches with real Ray processes: they survive what clusters do, and end in a model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tiny_training
import yaml
from PIL import Image
from sentence_transformers import SentenceTransformer

CL2CM = Path(sys.executable).with_name("cl2cm")
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def backbones(tmp_path_factory):
    """Two tiny backbones on disk, and a cache that the searches of this module share."""
    place = tmp_path_factory.mktemp("tiny")
    for name, write in (("text", tiny_training.write_text_backbone), ("image", tiny_training.write_image_backbone)):
        (place / name).mkdir()
        write(place / name)
    tiny_training.write_corpus(place / "colours")
    return place


@pytest.fixture
def searches(backbones):
    """Make searches in folders; whatever is left of them is killed in the end."""
    made: list[Search] = []

    def make(place: Path, **space: Any) -> Search:
        made.append(Search(place, backbones, **space))
        return made[-1]

    yield make
    for search in made:
        search.kill_all()


class Search:
    """A search as a process of its own, on the colours."""

    def __init__(self, place: Path, backbones: Path, **space: Any) -> None:
        self.place, self.storage = place, place / "storage"
        self._backbones = backbones
        (place / "recipe.yaml").write_text(yaml.safe_dump(self._recipe()))
        values = {"title": "tiny", "recipe": str(place / "recipe.yaml"), "pruning": None, **space}
        (place / "space.yaml").write_text(yaml.safe_dump(values))
        self.process: Any = None

    def _recipe(self) -> dict[str, Any]:
        optimiser = {"epochs": 2, "batch_size": 4, "lr_projection": 0.01, "lr_backbone": 0.001}
        return {
            "name": "tiny-{target}",
            "target_languages": ["de"],
            "dev_pictures": 2,
            # In bfloat16, which some processors have, two workers round otherwise than one.
            "compute": {"precision": "float32"},
            "model": {
                "text": str(self._backbones / "text"),
                "image": str(self._backbones / "image"),
                "dimensions": 8,
                "max_tokens": 32,
                "vocabulary": "all",
                "trained_layers": 1,
                "text_dropout": 0,
            },
            "cross_lingual": {"optimiser": optimiser},
            "cross_modal": {"optimiser": {**optimiser, "epochs": 200}, "feature_dropout": 0},
        }

    @property
    def beginning(self) -> list[str]:
        return [str(self.place / "space.yaml"), "--data", str(self._backbones / "colours")]

    def start(self, *options: str, **environment: str) -> Search:
        with (self.place / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                [CL2CM, "tune", *options, "--storage", str(self.storage), "--cpus-per-worker", "1"],
                env=os.environ | {"CL2CM_CACHE": str(self._backbones / "cache"), "COLUMNS": "200"} | environment,
                stdout=output,
                stderr=output,
                cwd=self.place,
            )
        return self

    def end(self) -> int:
        return self.process.wait(600)

    def kill_all(self) -> None:
        """Kill the search and every process of its Ray, as a machine that goes down does."""
        if self.process is None or self.process.poll() is not None:
            return
        own = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        for child in own:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(own, timeout=60)

    def kill(self, name: str) -> None:
        """Kill the first process of the search's Ray that has such a title."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            if " ".join(child.cmdline()).startswith(name):
                child.send_signal(signal.SIGKILL)
                return
        pytest.fail(f"there is no {name} among {titles(self.process.pid)}")

    def trials(self) -> list[dict[str, Any]]:
        files = self.storage.glob("trials/*/trial.json")
        return sorted((json.loads(file.read_text()) for file in files), key=lambda trial: trial["number"])

    def epochs(self, number: int) -> list[float]:
        """The progress of every epoch that the run of a trial reported itself."""
        return progress(self.storage / "trials" / str(number) / "run")

    def wait_for_epochs(self, number: int, epochs: int) -> int:
        """Wait until the run of a trial has reported some epochs."""
        for _ in range(6000):
            if len(self.epochs(number)) >= epochs:
                return len(self.epochs(number))
            assert self.process.poll() is None, (self.place / "output.txt").read_text()
            time.sleep(0.05)
        raise AssertionError(f"trial {number} never came so far; {(self.place / 'output.txt').read_text()}")


def titles(pid: int) -> list[str]:
    return [" ".join(child.cmdline())[:60] for child in psutil.Process(pid).children(recursive=True)]


def progress(run: Path) -> list[float]:
    file = run / "reports.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    return [row["progress"] for row in rows]


def vectors_of(model: Path) -> np.ndarray:
    """What a model makes of some sentences and pictures."""
    encode = SentenceTransformer(str(model), device="cpu").encode
    pictures = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    return np.concatenate([encode([{"text": text} for text in ("red", "ein blaues bild", "x")]), encode(pictures)])


def twice(epochs: list[float]) -> int:
    """How many reports came again; the last epoch and the end of a run are both at 100 percent."""
    return len(epochs) - len(set(epochs)) - 1


STAGE_2 = {"cross_modal.optimiser.lr_projection": {"from": 0.005, "to": 0.02, "scale": "log"}}


def test_a_search_outlives_the_death_of_a_worker_of_a_driver_and_of_itself(tmp_path, searches):
    search = searches(tmp_path, parameters=STAGE_2, trials=2)
    search.start(*search.beginning, "--concurrent", "1")
    reported = search.wait_for_epochs(1, 2)
    search.kill("ray::RayTrainWorker")
    search.wait_for_epochs(1, reported + 2)
    search.kill("ray::ImplicitFunc")
    search.wait_for_epochs(2, 2)
    search.process.kill()
    search.process.wait()

    assert search.start("--resume").end() == 0, (tmp_path / "output.txt").read_text()

    trials = search.trials()
    assert [(trial["number"], trial["state"]) for trial in trials] == [(1, "finished"), (2, "finished")]
    for number, deaths in ((1, 2), (2, 1)):
        # Each went on from its last checkpoint: what it reported right before a death may come twice, nothing else.
        assert twice(search.epochs(number)) <= deaths
    # The trials differ in stage 2 alone: they share one network, which was trained once.
    assert len(list(search.storage.glob("networks/*/text.safetensors"))) == 1
    report = (search.storage / "report" / "report.md").read_text()
    assert "2 of 2 trials (2 finished)" in report
    assert "Trials share 1 cross-lingual network:" in report

    # A search that is over may have more trials; the first two stay as they are.
    assert search.start("--resume", "--trials", "3").end() == 0, (tmp_path / "output.txt").read_text()
    assert search.trials()[:2] == trials
    assert [trial["state"] for trial in search.trials()] == ["finished"] * 3
    assert "3 of 3 trials (3 finished)" in (search.storage / "report" / "report.md").read_text()


def test_a_trial_that_is_stopped_makes_room_and_a_moved_search_goes_on_with_more_at_once(tmp_path, searches):
    # What is pruned and what is out of time is stopped in the same way.
    long = {"cross_modal.optimiser.epochs": 2000}
    search = searches(tmp_path, parameters=STAGE_2, trials=4, trial_seconds=1, changes=long)
    search.start(*search.beginning, "--concurrent", "1")
    search.wait_for_epochs(2, 1)
    search.kill_all()
    search.storage = search.storage.rename(tmp_path / "moved")

    assert search.start("--resume", "--concurrent", "2").end() == 0, (tmp_path / "output.txt").read_text()

    trials = search.trials()
    assert [(trial["number"], trial["state"]) for trial in trials] == [(n, "out of time") for n in range(1, 5)]
    assert all(trial["progress"] < 100 and "sum_r" in trial["figures"] for trial in trials)
    assert sorted(part.name for part in (search.storage / "ray").glob("search-*")) == ["search-1", "search-2"]
    assert not (tmp_path / "storage").exists()


def test_a_trial_that_diverges_fails_with_its_reason_and_the_winner_becomes_a_model(tmp_path, searches):
    learning = {"cross_modal.optimiser.lr_projection": {"choices": [0.01, 1e30]}}
    search = searches(tmp_path, parameters=learning, trials=3, seed=1)

    assert search.start(*search.beginning).end() == 0, (tmp_path / "output.txt").read_text()

    states = {(t["chosen"]["cross_modal.optimiser.lr_projection"], t["state"]) for t in search.trials()}
    assert states == {(0.01, "finished"), (1e30, "failed")}
    failed = next(trial for trial in search.trials() if trial["state"] == "failed")
    assert "is not finite" in failed["reason"]
    assert "lower the learning rate" in (search.storage / "report" / "report.md").read_text()

    store = str(tmp_path / "store")
    exported = search.start("--best", "1", "--export", "tiny-best", SENTENCE_TRANSFORMERS_HOME=store)
    assert exported.end() == 0, (tmp_path / "output.txt").read_text()

    listed = subprocess.run(
        [CL2CM, "models"], env=os.environ | {"SENTENCE_TRANSFORMERS_HOME": store}, capture_output=True, text=True
    )
    assert "tiny-best" in listed.stdout
    assert "base recipe" in (search.storage / "report" / "report.md").read_text()


def test_two_workers_end_where_one_does(tmp_path, searches):
    figures, vectors = [], []
    for workers in ("1", "2"):
        place = tmp_path / workers
        place.mkdir()
        # Few epochs: they round differently, and over many the smallest difference grows.
        search = searches(place, parameters=STAGE_2, trials=1, changes={"cross_modal.optimiser.epochs": 3})
        assert search.start(*search.beginning, "--workers", workers).end() == 0, (place / "output.txt").read_text()
        [trial] = search.trials()
        figures.append(trial["figures"])
        vectors.append(vectors_of(search.storage / "trials" / str(trial["number"]) / "run" / "model"))

    assert figures[0].keys() == figures[1].keys()
    assert figures[0] == pytest.approx(figures[1])
    # Two pictures have few figures to tell models apart by.
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-3)


def test_a_cluster_loses_a_node_and_the_search_goes_on(tmp_path, searches):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        search = searches(tmp_path, parameters=STAGE_2, trials=2)
        search.start(*search.beginning, "--concurrent", "2", RAY_ADDRESS=cluster.address)
        for number in (1, 2):
            search.wait_for_epochs(number, 3)
        cluster.remove_node(nodes[0], allow_graceful=False)

        assert search.end() == 0, (tmp_path / "output.txt").read_text()
    finally:
        cluster.shutdown()

    assert [trial["state"] for trial in search.trials()] == ["finished"] * 2
    # One of the two was on that node, and was started a second time.
    assert len(list(search.storage.glob("ray-train/*-1"))) == 1
    assert all(twice(search.epochs(number)) <= 1 for number in (1, 2))

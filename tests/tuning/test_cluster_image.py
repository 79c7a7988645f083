"""The image for a cluster, as far as its Dockerfile says what it will be."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
LINES = re.sub(r"\\\n\s*", "", (DOCKER / "cluster.Dockerfile").read_text(encoding="utf-8")).splitlines()


def instructions(name):
    return [line.removeprefix(f"{name} ") for line in LINES if line.startswith(f"{name} ")]


def versions(file):
    return dict(re.findall(r"^([^#=\s]+)==(.+)$", file.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.fixture
def install():
    """The command that installs libraries."""
    (found,) = [line for line in instructions("RUN") if "--requirements" in line]
    return found


def test_it_stands_on_a_slim_python_that_the_project_knows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert instructions("FROM") == ["python:3.11-slim"]
    assert project["requires-python"] == ">=3.11"


def test_its_extras_exist_and_tune_is_one_of_them(install):
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    extras = re.findall(r"--extra (\S+)", install)

    assert "tune" in extras
    assert set(extras) <= set(known)


def test_it_has_the_versions_that_go_together(install):
    assert re.findall(r"--constraint (\S+)", install) == ["constraints.txt", "cluster-constraints.txt"]
    assert "ray" in versions(ROOT / "constraints.txt")


def test_its_further_versions_contradict_none_of_the_others():
    ours, further = versions(ROOT / "constraints.txt"), versions(DOCKER / "cluster-constraints.txt")

    assert {name: version for name, version in further.items() if ours.get(name, version) != version} == {}


def test_it_has_what_a_cluster_needs_of_ray_and_all_of_that_is_pinned(install):
    from importlib.metadata import requires

    from packaging.requirements import Requirement

    found = [Requirement(line) for line in requires("ray") or ()]
    needed = {one.name.replace("_", "-") for one in found if one.marker and one.marker.evaluate({"extra": "default"})}
    pinned = versions(ROOT / "constraints.txt") | versions(DOCKER / "cluster-constraints.txt")

    tune = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["tune"]
    assert "default" in next(one.extras for one in map(Requirement, tune) if one.name == "ray")
    assert needed >= {"aiohttp-cors", "opencensus"}
    assert needed <= set(pinned)


def test_what_it_copies_is_there_and_not_ignored():
    ignored = (DOCKER / "cluster.Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    copied = {source for line in instructions("COPY") for source in line.split()[:-1]}

    assert ignored[0] == "*"
    assert copied == {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert all((ROOT / source).exists() for source in copied)


def test_its_last_user_is_not_root():
    assert int(instructions("USER")[-1].split(":")[0]) > 0

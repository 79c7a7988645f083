"""The manifests for a cluster: KubeRay's fields, and what has to agree: manifests, command, image, versions."""

from __future__ import annotations

import argparse
import copy
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tuning.spaces import shipped

ROOT = Path(__file__).parents[2]
CLUSTERS = ROOT / "tuning" / "clusters"
MANIFESTS = ["files.yaml", "ray-cluster.yaml", "ray-job.yaml", "storage.yaml"]
DEFINITIONS = json.loads((Path(__file__).parent / "kuberay" / "schemas.json").read_text(encoding="utf-8"))["$defs"]
# Their keys are names of options and of resources, not fields.
FREE = {"rayStartParams", "limits", "requests"}
GIBIBYTES = re.compile(r"(\d+)Gi")


def manifest(name):
    return yaml.safe_load((CLUSTERS / name).read_text(encoding="utf-8"))


def constrained(package, file="constraints.txt"):
    found = re.search(rf"^{package}==(.+)$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    return found and found[1]


def validator(kind):
    return Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": DEFINITIONS})


def fields(node, path=()):
    """The path of every field of a manifest."""
    if isinstance(node, dict):
        for key, inner in node.items():
            yield (*path, key)
            if key not in FREE:
                yield from fields(inner, (*path, key))
    if isinstance(node, list):
        for number, inner in enumerate(node):
            yield from fields(inner, (*path, number))


def misspelt(document, path):
    changed = copy.deepcopy(document)
    *way, last = path
    node = changed
    for step in way:
        node = node[step]
    node[f"{last}s"] = node.pop(last)
    return changed


@pytest.fixture(scope="module")
def job():
    return manifest("ray-job.yaml")["spec"]


@pytest.fixture(scope="module")
def cluster(job):
    return job["rayClusterSpec"]


@pytest.fixture(scope="module")
def groups(cluster):
    """The head's group, and the workers'."""
    return cluster["headGroupSpec"], cluster["workerGroupSpecs"][0]


@pytest.fixture(scope="module")
def command(job):
    """The command that the job runs, as the command line understands it."""
    from tuning.commands import register

    parser = argparse.ArgumentParser(prog="cl2cm", exit_on_error=False)
    register(parser.add_subparsers(dest="command"))
    program, *arguments = shlex.split(job["entrypoint"])
    assert program == "cl2cm"
    return parser.parse_args(arguments)


def container(group):
    (only,) = group["template"]["spec"]["containers"]
    return only


def gibibytes(quantity):
    return int(GIBIBYTES.fullmatch(quantity)[1])


def shared_mount(pod):
    """Where a pod sees the shared storage."""
    claims = {volume["name"]: volume.get("persistentVolumeClaim") for volume in pod["volumes"]}
    (found,) = [mount for mount in pod["containers"][0]["volumeMounts"] if claims[mount["name"]]]
    assert claims[found["name"]]["claimName"] == manifest("storage.yaml")["metadata"]["name"]
    return found["mountPath"]


def pods():
    job = manifest("ray-job.yaml")["spec"]["rayClusterSpec"]
    return [
        job["headGroupSpec"]["template"]["spec"],
        job["workerGroupSpecs"][0]["template"]["spec"],
        manifest("files.yaml")["spec"],
    ]


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_manifest_has_only_fields_that_there_are_and_all_that_must_be(name):
    document = manifest(name)

    assert [error.message for error in validator(document["kind"]).iter_errors(document)] == []


def test_every_manifest_is_tested():
    assert sorted(file.name for file in CLUSTERS.glob("*.yaml")) == MANIFESTS


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_misspelt_field_anywhere_is_found(name):
    document = manifest(name)
    accepts = validator(document["kind"]).is_valid
    known = [path for path in fields(document) if not FREE & set(path[:-1])]

    assert [path for path in known if accepts(misspelt(document, path))] == []


def test_a_value_of_the_wrong_type_is_found():
    document = manifest("ray-job.yaml")
    document["spec"]["backoffLimit"] = "2"

    assert not validator("RayJob").is_valid(document)


def test_the_cluster_that_stays_is_that_of_the_job(cluster):
    assert manifest("ray-cluster.yaml")["spec"] == cluster


def test_rays_version_is_that_of_the_constraints(cluster):
    assert cluster["rayVersion"] == constrained("ray")


def test_all_pods_run_the_same_image_and_it_has_the_projects_version():
    images = {pod["containers"][0]["image"] for pod in pods()}
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]

    assert images == {f"cl2cm-cluster:{version}"}
    assert f"--tag cl2cm-cluster:{version} " in (ROOT / "docker" / "cluster.Dockerfile").read_text(encoding="utf-8")


def test_gpus_are_asked_for_as_they_are_limited_and_the_head_has_none(groups):
    head, workers = groups
    resources = container(workers)["resources"]

    assert resources["limits"] == resources["requests"]
    assert int(resources["limits"]["nvidia.com/gpu"]) > 0
    assert head["rayStartParams"]["num-gpus"] == "0"
    assert "nvidia.com/gpu" not in container(head)["resources"]["limits"]


def test_the_head_is_smaller_than_a_worker(groups):
    head, worker = (container(group)["resources"]["limits"] for group in groups)

    assert int(head["cpu"]) < int(worker["cpu"])
    assert gibibytes(head["memory"]) < gibibytes(worker["memory"])


def test_workers_stand_on_nodes_that_are_kept_for_gpus(groups):
    (toleration,) = groups[1]["template"]["spec"]["tolerations"]

    assert toleration == {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def test_nothing_with_a_gpu_runs_where_there_is_nothing_to_do(cluster, groups):
    workers = groups[1]

    assert cluster["enableInTreeAutoscaling"] is True
    assert workers["replicas"] == workers["minReplicas"] == 0
    assert workers["maxReplicas"] > 0
    assert cluster["autoscalerOptions"]["idleTimeoutSeconds"] <= 600


def test_the_job_ends_its_cluster_and_cannot_run_for_ever(job):
    assert job["submissionMode"] == "K8sJobMode"
    assert job["shutdownAfterJobFinishes"] is True
    assert job["ttlSecondsAfterFinished"] > 0
    assert job["activeDeadlineSeconds"] > 0


def test_whoever_may_run_commands_on_the_cluster_has_its_token(cluster):
    assert cluster["authOptions"] == {"mode": "token"}


@pytest.mark.parametrize("group", [0, 1])
def test_shared_memory_holds_rays_objects_and_leaves_memory_for_the_rest(groups, group):
    pod = groups[group]["template"]["spec"]
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["mountPath"] == "/dev/shm"]
    (volume,) = [volume["emptyDir"] for volume in pod["volumes"] if volume["name"] == mount["name"]]
    memory = gibibytes(pod["containers"][0]["resources"]["limits"]["memory"])

    assert volume["medium"] == "Memory"
    # Ray takes 30 % of what a pod may use.
    assert 0.3 * memory <= gibibytes(volume["sizeLimit"]) <= 0.5 * memory


def test_many_nodes_may_write_to_the_storage():
    assert manifest("storage.yaml")["spec"]["accessModes"] == ["ReadWriteMany"]


def test_all_pods_see_the_storage_at_the_same_place_with_the_caches_on_it():
    (place,) = {shared_mount(pod) for pod in pods()}
    for pod in pods():
        variables = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
        assert variables["CL2CM_CACHE"].startswith(f"{place}/")
        assert variables["HF_HOME"].startswith(f"{place}/")


def test_all_pods_run_as_the_images_user_who_owns_the_storage():
    dockerfile = (ROOT / "docker" / "cluster.Dockerfile").read_text(encoding="utf-8")
    user, group = map(int, re.findall(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE)[-1])

    assert user > 0
    for pod in pods():
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": group,
            "fsGroup": group,
        }


def test_the_jobs_command_is_one_of_ours_on_a_space_that_is_shipped(command):
    assert command.command == "tune"
    assert command.space in shipped()


def test_the_jobs_command_keeps_everything_on_the_shared_storage(command, groups):
    place = shared_mount(groups[1]["template"]["spec"])

    assert Path(command.data).is_relative_to(place)
    assert command.storage.is_relative_to(place)


def test_a_job_that_is_made_again_goes_on(job, command):
    assert job["backoffLimit"] > 0
    assert command.resume


def test_trials_at_once_fit_into_the_largest_cluster(command, groups):
    workers = groups[1]
    limits, largest = container(workers)["resources"]["limits"], workers["maxReplicas"]
    together = command.concurrent * command.workers

    assert together * command.gpus_per_worker == largest * int(limits["nvidia.com/gpu"])
    assert together * command.cpus_per_worker <= largest * int(limits["cpu"])
    assert command.cpus_per_worker <= int(limits["cpu"])


def test_trials_wait_for_a_node_to_start(groups):
    for group in groups:
        variables = {one["name"]: one["value"] for one in container(group)["env"]}
        assert int(variables["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"]) >= 900


def test_the_walk_through_names_what_there_is(command):
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    job, files, cluster = (
        manifest(name)["metadata"]["name"] for name in ("ray-job.yaml", "files.yaml", "ray-cluster.yaml")
    )

    assert all((ROOT / file).is_file() for file in re.findall(r"(?:tuning/clusters|docker)/[\w.-]+\w", text))
    assert set(re.findall(r"rayjob ([\w-]+)|job/([\w-]+)|service/([\w-]+)-head-svc", text)) == {
        (job, "", ""),
        ("", job, ""),
        ("", "", job),
    }
    assert set(re.findall(r"pod/([\w-]+)|cp ([\w-]+):", text)) == {(files, ""), ("", files)}
    assert f"raycluster {cluster}\n" in text
    assert f"cl2cm-files:{command.storage}/final/{command.export}/model" in text
    assert f"--logdir {command.storage}/ray" in text

from __future__ import annotations

import io
import shutil
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import tiny_training
import yaml

from cl2cm_plugin import cli
from tuning import beforehand, comparison, winner
from tuning import commands as tune_commands
from tuning.search_folder import read
from tuning.task import FINISHED
from tuning.trial import Resources
from tuning.trials import TrialRecord, Trials
from tuning.winner import BASE, Confirmed

TEMPERATURE = "cross_modal.temperature"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tiny_training.write_corpus(tmp_path_factory.mktemp("corpus") / "colours")


@pytest.fixture
def place(tmp_path, monkeypatch, corpus):
    """An empty folder to work in, with a space beside it, on a machine of four cores and no GPU."""
    space = {"title": "Small", "recipe": "photos", "changes": {"dev_pictures": 2, "origins": []}}
    space |= {"parameters": {TEMPERATURE: {"from": 0.02, "to": 0.2}}, "trials": 3}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(space))
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(tune_commands, "granted", lambda: 4)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    return folder


class Ray:
    """What a search and its winner would have Ray do."""

    def __init__(self) -> None:
        self.searches, self.compared, self.terminal = [], [], io.StringIO()
        self.ends = {1: 200.0}

    @contextmanager
    def connected(self, cpus, log, dashboard):
        yield self.terminal

    def search(self, study, *, concurrent, keep, loggers=()):
        self.searches.append((study, concurrent, keep))
        trials = Trials(study.storage / "trials")
        for number, figure in self.ends.items():
            trials.write(TrialRecord(number, {TEMPERATURE: 0.1}, FINISHED, {"sum_r": figure}, 100.0))

    def compare(self, study, trials, best, console):
        self.compared.append(best)
        return Confirmed(BASE, {}, [1.0])


@pytest.fixture
def ray(monkeypatch):
    made = Ray()
    monkeypatch.setattr("tuning.cluster.connected", made.connected)
    monkeypatch.setattr("tuning.search.search", made.search)
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 4.0})
    monkeypatch.setattr(comparison, "compare", made.compare)
    return made


@pytest.fixture
def tune(place, corpus, ray, capsys):
    """``cl2cm tune`` on the small space and the colours, or on what the options say: exit status and all it says."""

    def run(*options, begin=True):
        beginning = [str(place.parent / "small.yaml"), "--data", str(corpus)] if begin else []
        try:
            status = cli.main(["tune", *beginning, *map(str, options)])
        except SystemExit as end:
            status = end.code
        return status, capsys.readouterr().err + ray.terminal.getvalue()

    return run


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Name a space, for example cl2cm: shipped are cl2cm, cl2cm-stage-2, paper."),
        (("cl2cm",), "--data is missing: name a folder of captioned media or of shards, or the word openmoji."),
        (("nowhere", "--data", "x"), "There is no space 'nowhere'"),
        (("cl2cm", "--data", "nowhere"), "There is no folder"),
        (("cl2cm", "--data", "."), "is no captioned-media folder"),
        (("cl2cm", "--data", "x", "--recipe", "none"), "There is no recipe 'none'"),
        (("--resume",), "There is no search in build/tuning"),
        (("--best", "3"), "There is no search in build/tuning"),
        (("--export", "mine"), "There is no search in build/tuning"),
        (("--resume", "--storage", "elsewhere"), "elsewhere: --storage names the folder of a `cl2cm tune`."),
        (("--best", "1", "--trials", "9"), "--trials is said where a search begins: name its space as well"),
        (("--resume", "--data", "x"), "There is no search in build/tuning"),
        (("--best", "2", "--seed", "1"), "--seed is said where a search begins"),
        (("--resume", "--recipe", "paper"), "--recipe is said where a search begins"),
        (("--best", "1", "--concurrent", "2"), "--concurrent is said where a search begins"),
        (("--export", "mine", "--mlflow", "somewhere"), "--mlflow is said where a search begins"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_made(options, message, tune, place, ray):
    status, said = tune(*options, begin=False)

    assert status == 1
    assert message in said
    assert (ray.searches, list(place.iterdir())) == ([], [])


def test_a_search_is_given_more_trials(tune, ray, place):
    assert tune("--storage", "mine")[0] == 0
    assert tune("--resume", "--trials", "5", "--storage", "mine", begin=False)[0] == 0
    status, said = tune("--resume", "--trials", "4", "--storage", "mine", begin=False)

    assert [study.space.trials for study, _, _ in ray.searches] == [3, 5]
    assert (status, read((place / "mine").absolute()).space.trials) == (1, 5)
    assert "has 5 trials by now, and may only have more, not 4" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--trials", "0"), "argument --trials: '0' is no whole number from 1 on"),
        (("--workers", "two"), "argument --workers: 'two' is no whole number from 1 on"),
        (("--seed", "-1"), "argument --seed: '-1' is no whole number from 0 on"),
        (("--gpus-per-worker", "-1"), "'-1' is neither 0, 1, nor a share of one GPU, as 0.5"),
        (("--gpus-per-worker", "2"), "'2' is neither 0, 1"),
        (("--gpus-per-worker", "nan"), "'nan' is neither 0, 1"),
        (("--gpus-per-worker", "many"), "'many' is neither 0, 1"),
    ],
)
def test_a_wrong_number_is_refused_with_the_option(options, message, tune, ray):
    status, said = tune(*options)

    assert status == 2
    assert message in said
    assert ray.searches == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--workers", "5"), "A trial takes 5 CPUs (5 times 1), and this machine has 4: lower --workers or"),
        (("--cpus-per-worker", "3", "--workers", "2"), "A trial takes 6 CPUs (2 times 3), and this machine has 4"),
        (("--gpus-per-worker", "0.5"), "A trial takes 0.5 GPUs, and this machine has 0: lower"),
        (("--export", "bad name"), "'bad name' cannot be a model's name"),
        (("--export", "cl2cm-{target}"), "'cl2cm-{target}' cannot be a model's name"),
        (("--mlflow", "somewhere"), "--mlflow needs the Python package mlflow: pip install mlflow"),
    ],
)
def test_what_could_never_run_is_refused_before_the_folder_is_the_searchs(
    options, message, tune, place, ray, monkeypatch
):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    status, said = tune(*options)

    assert (status, ray.searches) == (1, [])
    assert message in said
    assert not list(place.rglob("search.json"))


def test_a_cluster_may_have_more_room_than_this_machine(tune, ray, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    status, said = tune("--workers", "8", "--gpus-per-worker", "1", "--cpus-per-worker", "2")

    assert (status, ray.searches[0][0].resources) == (0, Resources(8, 2, 1))
    assert "The cluster has no room for a trial now, and the search waits until it has." in said


def test_what_a_worker_takes_of_a_cluster_is_not_guessed_from_this_machine(tune, ray, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    status, said = tune()

    assert (status, ray.searches) == (1, [])
    assert "--cpus-per-worker is missing: on a cluster, say how many CPUs each worker takes." in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--workers", "2", "--gpus-per-worker", "0.5"), "2 workers of a trial cannot share a GPU: say"),
        (("--workers", "600"), "A batch of 128 is too small for 600 workers: raise batch_size."),
    ],
)
def test_workers_without_work_or_a_gpu_of_their_own_are_refused(options, message, tune, ray, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    status, said = tune(*options, "--cpus-per-worker", "1")

    assert (status, ray.searches) == (1, [])
    assert message in said


def test_a_search_that_goes_on_or_makes_its_winner_takes_what_it_took(tune, ray, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    tune("--workers", "4", "--gpus-per-worker", "1", "--cpus-per-worker", "2")
    monkeypatch.delenv("RAY_ADDRESS")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setattr(tune_commands, "granted", lambda: 8)
    tune("--resume", begin=False)
    tune("--resume")
    tune("--resume", "--workers", "2", begin=False)

    took = [study.resources for study, _, _ in ray.searches]
    assert took == [Resources(4, 2, 1)] * 3 + [Resources(2, 2, 1)]


def test_an_interrupted_search_ends_there_and_says_how_it_goes_on(tune, ray, place, monkeypatch):
    def interrupted(study, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("tuning.search.search", interrupted)
    status, said = tune("--best", "1", "--export", "mine")

    assert (status, ray.compared) == (130, [])
    assert f"The search goes on by: cl2cm tune --resume --storage {place}/build/tuning/small" in said


def test_data_that_only_the_nodes_of_a_cluster_see_are_left_to_them(tune, ray, place, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    status, _ = tune(place.parent / "small.yaml", "--data", "/shared/archive", "--cpus-per-worker", "1", begin=False)

    assert status == 0
    assert ray.searches[0][0].data == "/shared/archive"


def test_data_without_what_the_recipe_asks_for_are_refused(tune, place, ray):
    file = place.parent / "small.yaml"
    space = yaml.safe_load(file.read_text())
    for changes, message in (
        ({"target_languages": ["fr"]}, "has no sentence pairs en-fr"),
        ({"split": "test"}, "'test'"),
    ):
        file.write_text(yaml.safe_dump(space | {"changes": space["changes"] | changes}))
        status, said = tune()
        assert (status, ray.searches) == (1, [])
        assert message in said
    assert not list(place.rglob("search.json"))


def test_a_dev_cut_without_a_translation_judges_nothing(tune, ray, monkeypatch):
    data = SimpleNamespace(dev=SimpleNamespace(captions={"en": [(0, "red")]}))
    monkeypatch.setattr("trainer.fit.training_data", lambda recipe, corpus: data)
    status, said = tune()

    assert (status, ray.searches) == (1, [])
    assert "None of the 2 pictures of the dev cut has a caption with a translation into de" in said


def test_a_storage_that_cannot_be_made_is_named(tune, place, ray):
    (place / "taken").write_text("a file")
    status, said = tune("--storage", "taken/below")

    assert (status, ray.searches) == (1, [])
    assert "taken/below cannot be made (Not a directory): name another --storage." in said


def test_a_storage_that_cannot_be_written_is_named(tune, place, ray, monkeypatch):
    monkeypatch.setattr(beforehand.os, "access", lambda folder, mode: False)
    status, said = tune("--storage", "closed")

    assert (status, ray.searches) == (1, [])
    assert "closed cannot be written: name another --storage." in said


def test_a_search_begins_is_reported_and_not_begun_twice(tune, place, ray):
    status, said = tune()
    assert (status, len(ray.searches)) == (0, 1)
    report = place / "build" / "tuning" / "small" / "report" / "report.md"
    assert "1 of 3 trials (1 finished)" in report.read_text()
    assert f"The report is {report}." in said

    status, said = tune()
    assert (status, len(ray.searches)) == (1, 1)
    assert "holds a search already: go on with it by --resume" in said


def test_a_search_is_gone_on_with_by_its_space_or_as_the_latest(tune, place, ray):
    tune("--storage", "build/tuning/other")
    tune()
    for options, begin in ((("--resume",), True), (("--resume",), False)):
        assert tune(*options, begin=begin)[0] == 0

    assert [study.storage for study, _, _ in ray.searches[1:]] == [place / "build" / "tuning" / "small"] * 3
    assert len({study.data for study, _, _ in ray.searches}) == 1


def test_a_search_is_told_where_its_data_lie_now(tune, place, ray, corpus, tmp_path):
    before = shutil.copytree(corpus, tmp_path / "before")
    tune(place.parent / "small.yaml", "--data", before, begin=False)
    now = before.rename(tmp_path / "now")
    refused = tune("--resume", begin=False)
    told = [tune(*options, begin=False)[0] for options in (("--best", "1", "--data", now), ("--resume",))]
    still_there = tune("--resume", "--data", corpus, begin=False)

    assert [study.data for study, _, _ in ray.searches] == [str(before), str(now)]
    assert (refused[0], told, still_there[0]) == (1, [0, 0], 1)
    assert f"There is no folder {before}" in refused[1]
    assert f"differs in data (there {now})" in still_there[1]


def test_data_are_read_once_where_a_search_begins(tune, monkeypatch):
    read: list = []
    check = beforehand.check_data
    monkeypatch.setattr(beforehand, "check_data", lambda study: read.append(study) or check(study))
    tune()
    tune("--resume")

    assert len(read) == 1


@pytest.mark.parametrize(
    ("options", "cpus", "concurrent"),
    [
        ((), 4, 1),
        (("--concurrent", "2"), 2, 2),
        (("--workers", "2"), 2, 1),
        (("--cpus-per-worker", "1"), 1, 4),
        (("--cpus-per-worker", "3"), 3, 1),
        (("--concurrent", "8"), 1, 8),
    ],
)
def test_trials_share_the_cores_of_the_machine(options, cpus, concurrent, tune, ray):
    tune(*options)

    [(study, at_once, _)] = ray.searches
    assert (study.resources.cpus, at_once) == (cpus, concurrent)


def test_a_search_without_any_end_says_where_the_reasons_are(tune, place, ray):
    ray.ends = {}
    status, said = tune("--best", "1")

    assert (status, ray.compared) == (1, [])
    assert "No trial came to an end; " in said
    assert "report.md says why." in said


def test_the_best_are_compared_after_the_search_or_later(tune, ray):
    tune("--best", "5")
    assert ray.compared == [5]

    assert tune("--best", "2", begin=False)[0] == 0
    assert (ray.compared, len(ray.searches)) == ([5, 2], 1)


def test_the_winner_is_installed_under_its_name(tune, ray, place, monkeypatch):
    made: list = []

    def final(study, candidate, name, splits):
        made.append((candidate.name, name, splits))
        return place / "model"

    monkeypatch.setattr(winner, "final", final)
    monkeypatch.setattr("cl2cm_plugin.encoder.model_store.install", lambda folder, name: made.append((folder, name)))
    tune()
    status, said = tune("--export", "mine", begin=False)

    assert (status, ray.compared) == (0, [1])
    assert made == [(BASE, "mine", ("held-out",)), (place / "model", "mine")]
    assert f"Installed mine (base recipe); its card is {place}/model/README.md." in said


def test_a_path_is_printed_as_it_is(tune, place):
    status, said = tune("--storage", "[bold]mine[/x]")

    assert status == 0
    assert f"The report is {place}/[bold]mine[/x]/report/report.md." in said


def test_help_needs_nothing_heavy(child, tmp_path):
    code = """
import sys
from cl2cm_plugin import cli
try:
    cli.main(["tune", "--help"])
except SystemExit as end:
    print("status", end.code)
print("heavy", {"torch", "ray", "optuna", "lightning"} & set(sys.modules))
"""
    output = child(code, tmp_path).stdout
    assert "cl2cm tune --resume" in output
    assert "status 0" in output
    assert "heavy set()" in output

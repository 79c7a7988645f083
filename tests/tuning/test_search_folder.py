"""The folder of a search knows what it is of, and keeps a second command out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cl2cm_plugin.errors import UserError
from tuning.search_folder import alone, begin, check_is_own, read
from tuning.trial import Resources, Study


@pytest.fixture
def study(tmp_path, space_of) -> Study:
    (tmp_path / "data").mkdir()
    return Study(space_of(), str(tmp_path / "data"), tmp_path / "search", Resources())


def test_a_search_is_begun_once_and_read_again_with_its_resources(study):
    study = replace(study, resources=Resources(workers=4, cpus=2, gpus=1))
    check_is_own(study, resume=False)
    begin(study)

    assert read(study.storage) == study
    with pytest.raises(UserError, match="holds a search already: go on with it by --resume"):
        check_is_own(study, resume=False)


def test_what_is_resumed_is_begun_where_there_is_nothing_yet(study):
    for _ in range(2):
        check_is_own(study, resume=True)
        begin(study)

    assert read(study.storage) == study


def test_one_command_at_a_time_is_at_work_in_a_folder(study):
    study.storage.mkdir()
    with (
        alone(study.storage),
        pytest.raises(UserError, match="Another command is at work on the search in"),
        alone(study.storage),
    ):
        pytest.fail("two were let in")
    with alone(study.storage):
        pass


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"trials": 7}, "has 8 trials by now, and may only have more, not 7: go on"),
        ({"seed": 3, "objectives": ["sum_r.de"]}, "differs in objectives, seed:"),
        ({"recipe": "paper"}, "differs in recipe:"),
        ({"data": "elsewhere"}, r"differs in data \(there .*/data\):"),
    ],
)
def test_another_search_is_not_gone_on_with_and_what_differs_is_named(changed, named, study, space_of):
    begin(study)
    data = changed.pop("data", study.data)
    other = replace(study, space=space_of(**changed), data=data)

    with pytest.raises(UserError, match=named):
        check_is_own(other, resume=True)
    assert read(study.storage) == study


def test_other_resources_go_on_with_a_search(study):
    begin(study)
    check_is_own(replace(study, resources=Resources(workers=4, gpus=1)), resume=True)


def test_a_search_of_an_earlier_version_is_gone_on_with_where_lines_have_their_defaults(study):
    begin(study)
    file = study.storage / "search.json"
    facts = json.loads(file.read_text())
    del facts["space"]["confirm"], facts["space"]["sampler"], facts["resources"]
    file.write_text(json.dumps(facts))

    check_is_own(study, resume=True)


def test_a_folder_without_a_search_is_named(tmp_path):
    with pytest.raises(UserError, match=f"There is no search in {tmp_path}"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"is damaged \(JSONDecodeError\): name another"),
        ("[]", "is damaged"),
        ('{"space": {}}', "of another version: title: it is missing; recipe: it is missing"),
        ("{}", "is damaged"),
    ],
)
def test_a_damaged_search_is_one_sentence(text, message, study):
    study.storage.mkdir()
    (study.storage / "search.json").write_text(text)

    for ask in (lambda: read(study.storage), lambda: check_is_own(study, resume=True)):
        with pytest.raises(UserError, match=message):
            ask()


def test_a_search_may_have_more_trials_than_it_began_with_and_its_resources_stay(study):
    begin(study)
    longer = study.space.model_copy(update={"trials": study.space.trials + 8})
    more = replace(study, space=longer, resources=Resources(workers=9))
    check_is_own(more, resume=True)
    begin(more)

    assert read(study.storage) == replace(study, space=longer)


def test_a_search_goes_on_where_its_data_lie_now(study, tmp_path):
    begin(study)
    there = (tmp_path / "data").rename(tmp_path / "moved")
    moved = replace(study, data=str(there), resources=Resources(workers=9))
    check_is_own(moved, resume=True)
    begin(moved)

    assert read(study.storage) == replace(study, data=str(there))


def test_a_word_for_data_cannot_be_gone(study):
    begin(replace(study, data="openmoji"))

    with pytest.raises(UserError, match=r"differs in data \(there openmoji\)"):
        check_is_own(study, resume=True)


def test_a_folder_named_from_here_is_found_by_workers_elsewhere(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begin(replace(study, data="data"))

    assert read(study.storage).data == str(tmp_path / "data")

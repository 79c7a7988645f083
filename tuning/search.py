"""A search: Optuna proposes, ASHA prunes, Ray Tune runs the trials; a killed one goes on from its last state."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from cl2cm_plugin.errors import UserError
from tuning.halving import RememberingHalving
from tuning.journal import Journal
from tuning.space import Space
from tuning.space_check import sentences
from tuning.trials import Trials

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ray.tune import Callback

    from tuning.trial import Study

_SEARCH, _RAY, _NAME, _LOCK = "search.json", "ray", "search", ".lock"
# A search that is killed loses what happened in so many seconds, and makes it good from the trials' own folders.
_SNAPSHOT_SECONDS = "1"
# A trial's driver only waits for its workers: on the head, which nobody takes away, and without a CPU of its own.
_BESIDE_THE_SEARCH = {"node:__internal_head__": 0.001}
# A driver that died is started again so often; its run goes on from its checkpoint.
_DRIVER_RETRIES = 3


def is_begun(storage: Path) -> bool:
    """Whether a folder holds a search."""
    return (storage / _SEARCH).is_file()


@contextmanager
def alone(storage: Path) -> Iterator[None]:
    """Keep other commands out of a search's folder; a killed one gives it back.

    Raises:
        UserError: Another one is at work.
    """
    try:
        with FileLock(storage / _LOCK, timeout=0):
            yield
    except Timeout:
        raise UserError(f"Another command is at work on the search in {storage}: wait until it has ended.") from None


def begin(study: Study) -> None:
    """Note what a search is of, in a folder that has none yet."""
    if is_begun(study.storage):
        return
    study.storage.mkdir(parents=True, exist_ok=True)
    space = json.loads(study.space.model_dump_json(by_alias=True))
    facts = {"space": space, "data": study.data, "resources": asdict(study.resources)}
    file = study.storage / _SEARCH
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    temporary.replace(file)


def check_is_own(study: Study, *, resume: bool) -> None:
    """Make sure that a folder is free for a search, or holds this one and is to be gone on with.

    Args:
        study: The search; the resources that it takes may differ from those that it began with.
        resume: Whether to go on with what is there.

    Raises:
        UserError: The folder holds a search, and not this one, or it was not asked to go on with.
    """
    if not is_begun(study.storage):
        return
    if not resume:
        raise UserError(
            f"{study.storage} holds a search already: go on with it by --resume, or name another --storage."
        )
    known = read(study.storage)
    differ = [name for name in Space.model_fields if getattr(known.space, name) != getattr(study.space, name)]
    if known.data != study.data:
        differ.append("data")
    if differ:
        raise UserError(
            f"{study.storage} holds a search that differs in {', '.join(differ)}: name another --storage, or go on "
            "with that one by --resume without a space."
        )


def read(storage: Path) -> Study:
    """Read which space, data and resources a folder's search began with.

    Raises:
        UserError: There is no search in the folder, or what is there cannot be read.
    """
    from tuning.trial import Resources, Study

    file = storage / _SEARCH
    if not is_begun(storage):
        raise UserError(f"There is no search in {storage}: --storage names the folder of a `cl2cm tune`.")
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        space, data = Space.model_validate(facts["space"]), str(facts["data"])
        return Study(space, data, storage, Resources(**facts.get("resources", {})))
    except ValidationError as error:
        raise UserError(f"The search in {storage} is of another version: {sentences(error)}.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged ({type(error).__name__}): name another --storage.") from None


def search(study: Study, *, concurrent: int, keep: int, loggers: Sequence[Callback] = ()) -> Trials:
    """Run a search to its end, or go on with one that was stopped; Ray must be connected.

    Args:
        study: What to search.
        concurrent: How many trials run at once.
        keep: How many of the best trials keep their models.
        loggers: Listeners of Ray Tune's, for TensorBoard or MLflow.

    Returns:
        The trials.
    """
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", _SNAPSHOT_SECONDS)
    # Encoding speed is measured when a run is finished, and pruned ones have none.
    os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")
    # Ray's newer output cannot be silenced.
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    # Ray would end the search as if all were done, where somebody interrupts it.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    from ray import tune

    from tuning.trial import drive

    trials = Trials(study.storage / "trials")
    trainable = tune.with_resources(tune.with_parameters(drive, study=study), _BESIDE_THE_SEARCH)
    experiment = study.storage / _RAY / _NAME
    if tune.Tuner.can_restore(str(experiment)):
        # Trials whose drivers died too often are tried again under their own names, by which the sampler knows them.
        tuner = tune.Tuner.restore(str(experiment), trainable, resume_unfinished=True, resume_errored=True)
    else:
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=_sampler(study.space),
                scheduler=_scheduler(study.space, trials),
                num_samples=study.space.trials,
                max_concurrent_trials=concurrent,
                # A driver has imported everything already.
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name=_NAME,
                storage_path=str((study.storage / _RAY).absolute()),
                failure_config=tune.FailureConfig(max_failures=_DRIVER_RETRIES),
                stop={"time_total_s": study.space.trial_seconds} if study.space.trial_seconds else None,
                callbacks=[Journal(trials, study.space, keep), *loggers],
                verbose=0,
            ),
        )
    tuner.fit()
    return trials


def _sampler(space: Space) -> Any:
    import optuna
    from ray.tune.search.optuna import OptunaSearch

    distributions = {name: parameter.distribution for name, parameter in space.parameters.items()}
    samplers = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
    several = len(space.objectives) > 1
    defaults = space.defaults()
    return OptunaSearch(
        distributions,
        metric=list(space.objectives) if several else space.objectives[0],
        mode=["max"] * len(space.objectives) if several else "max",
        # The first trial is the base recipe, where the space has it: what every other one is compared with.
        points_to_evaluate=[defaults] if len(defaults) == len(distributions) else None,
        sampler=samplers[space.sampler](seed=space.seed),
    )


def _scheduler(space: Space, trials: Trials) -> Any:
    if space.pruning is None:
        return None
    return RememberingHalving(space.pruning, space.objectives[0], trials.folder)

"""A search: Optuna proposes, ASHA prunes, Ray Tune runs the trials; a killed one goes on from its last state."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tuning.halving import RememberingHalving
from tuning.journal import Journal
from tuning.trials import Trials

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ray.tune import Callback

    from tuning.space import Space
    from tuning.trial import Study

# A search that was given more trials later has several parts, each named by the number of its first trial.
_RAY, _PART = "ray", "search-"
# A search that is killed loses what happened in so many seconds, and makes it good from the trials' own folders.
_SNAPSHOT_SECONDS = "1"
# A trial's driver only waits for its workers: on the head, which nobody takes away, and without a CPU of its own.
_BESIDE_THE_SEARCH = {"node:__internal_head__": 0.001}
# A driver that died is started again so often; its run goes on from its checkpoint.
_DRIVER_RETRIES = 3


def search(study: Study, *, concurrent: int, keep: int, loggers: Sequence[Callback] = ()) -> Trials:
    """Run a search to its end, or go on with one that was stopped or is to have more trials; Ray must be connected.

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

    from tuning.sampler import sampler
    from tuning.trial import drive

    trials = Trials(study.storage / "trials")
    trainable = tune.with_resources(tune.with_parameters(drive, study=study), _BESIDE_THE_SEARCH)
    parts = (study.storage / _RAY).absolute()
    first = _newest(parts)
    if tune.Tuner.can_restore(str(part := parts / f"{_PART}{first}")):
        # Trials whose drivers died too often are tried again under their own names, by which the sampler knows them.
        tune.Tuner.restore(str(part), trainable, resume_unfinished=True, resume_errored=True).fit()
        first = 1 + max((record.number for record in trials.all()), default=0)
    past = [record for record in trials.all() if record.number < first]
    if len(past) >= study.space.trials:
        return trials
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=sampler(study.space, past),
            scheduler=_scheduler(study.space, trials),
            num_samples=study.space.trials - len(past),
            max_concurrent_trials=concurrent,
            # A driver has imported everything already.
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=f"{_PART}{first}",
            storage_path=str(parts),
            failure_config=tune.FailureConfig(max_failures=_DRIVER_RETRIES),
            stop={"time_total_s": study.space.trial_seconds} if study.space.trial_seconds else None,
            callbacks=[Journal(trials, study.space, keep, first), *loggers],
            verbose=0,
        ),
    )
    tuner.fit()
    return trials


def _newest(parts: Path) -> int:
    """Find the part that a search is in, by the number of its first trial; 1 where it has not begun."""
    return max((int(part.name.removeprefix(_PART)) for part in parts.glob(f"{_PART}*")), default=1)


def _scheduler(space: Space, trials: Trials) -> Any:
    if space.pruning is None:
        return None
    return RememberingHalving(space.pruning, space.objectives[0], trials.folder)

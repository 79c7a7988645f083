"""A search: Optuna proposes, ASHA prunes, Ray Tune runs the trials; a killed one goes on from the trials' own folders.

Nothing is read of what Ray keeps of a search itself: that is tied to a place, to the number of trials at once and to
who listens, and a kill may leave it half written.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tuning.halving import RememberingHalving
from tuning.journal import Journal
from tuning.task import TRAINING_SECONDS
from tuning.trials import Trials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ray.tune import Callback

    from tuning.space import Space
    from tuning.trial import Study

# Each time that a search is gone on with, Ray runs another part of it.
_RAY, _PART = "ray", "search-"
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
    # Encoding speed is measured when a run is finished, and pruned ones have none.
    os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")
    # Ray's newer output cannot be silenced.
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    # Ray would end the search as if all were done, where somebody interrupts it.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    from ray import tune

    from tuning.sampler import Sampler
    from tuning.trial import drive

    space, trials = study.space, Trials(study.storage / "trials")
    wanted = space.trials - sum(record.has_ended for record in trials.all())
    if wanted <= 0:
        return trials
    parts = (study.storage / _RAY).absolute()
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(drive, study=study), _BESIDE_THE_SEARCH),
        # A driver is not used again: that of a pruned trial still waits for its workers, which end with it.
        tune_config=tune.TuneConfig(
            search_alg=Sampler(space, trials, wanted),
            scheduler=_scheduler(space, trials),
            num_samples=wanted,
            max_concurrent_trials=concurrent,
        ),
        run_config=tune.RunConfig(
            name=f"{_PART}{1 + len(list(parts.glob(f'{_PART}*')))}",
            storage_path=str(parts),
            failure_config=tune.FailureConfig(max_failures=_DRIVER_RETRIES),
            stop={TRAINING_SECONDS: space.trial_seconds} if space.trial_seconds else None,
            callbacks=[Journal(trials, space, keep), *loggers],
            verbose=0,
        ),
    )
    tuner.fit()
    return trials


def _scheduler(space: Space, trials: Trials) -> Any:
    if space.pruning is None:
        return None
    return RememberingHalving(space.pruning, space.objectives[0], trials)

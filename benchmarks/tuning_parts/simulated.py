"""Both searches many times over on a model of the space: a real pair takes more than an hour, and one seed is luck.

Sampler and pruning are the search's own; only trials are simulated.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import optuna
from rich.progress import track
from rich.table import Table

from tuning import spaces
from tuning.halving import RememberingHalving
from tuning.sampler import Sampler
from tuning.task import FINISHED, PHASE, PROGRESS, TRIAL
from tuning.trials import PRUNED, TrialRecord, Trials

from .rivals import Course, at_random, course, seconds_to
from .space_model import SpaceModel

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from tuning.space import Space

_STAGE_1 = ("model.", "cross_lingual.")
_REPETITIONS = 30


def compare(space: str, out: Path, console: Console) -> None:
    """Simulate pairs of searches, and print at which part of the random one's cost its best was reached.

    Args:
        space: The space by name or file; each simulated search has as many trials as it says.
        out: Where real searches of it are kept.
        console: For the table.
    """
    pruned = spaces.load(space)
    real = [Trials(folder) for folder in sorted(out.glob("seed-*/*/trials"))]
    if not real:
        raise SystemExit(f"A simulation is made from real searches, and {out} has none: run --parts search first.")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    model, pairs = SpaceModel(pruned, real), []
    for seed in track(range(_REPETITIONS), "simulated searches", console=console):
        seeded, nothing = pruned.model_copy(update={"seed": seed}), Trials(out / "simulated")
        alone = at_random(seeded)
        pairs.append((search(model, seeded, nothing, shared=True), search(model, alone, nothing, shared=False)))
    console.print(
        f"Model of {model.known} trials: foresees {model.explained:.0%} of the variance of trials that it was not "
        f"shown, and errs by {model.error:.1f}.",
        highlight=False,
    )
    console.print(_table(pairs, pruned.trials))


def search(model: SpaceModel, space: Space, nothing: Trials, *, shared: bool) -> Course:
    """Simulate a search.

    Args:
        model: What its trials find and take.
        space: The space.
        nothing: The trials that it begins with: none. It keeps its own nowhere.
        shared: Whether trials share networks.
    """
    objective, luck = space.objectives[0], np.random.default_rng(space.seed)
    sampler = Sampler(space, nothing, space.trials)
    halving = RememberingHalving(space.pruning, objective, nothing) if space.pruning else None
    records: list[TrialRecord] = []
    networks: set[tuple[object, ...]] = set()
    for trial_id in map(str, range(space.trials)):
        chosen = sampler.suggest(trial_id) or {}
        trial = SimpleNamespace(config={TRIAL: chosen.pop(TRIAL)})
        figure = model.figure(chosen, luck)
        state, found = FINISHED, figure
        if halving:
            early = model.when_judged(figure, luck)
            halving.on_trial_add(None, trial)
            report = {PROGRESS: space.pruning.grace, PHASE: "projections", objective: early}
            if halving.on_trial_result(None, trial, report) == RememberingHalving.STOP:
                state, found = PRUNED, early
        sampler.on_trial_complete(trial_id, {objective: found})
        network = tuple(value for name, value in chosen.items() if name.startswith(_STAGE_1))
        seconds = model.seconds(state, trains=not (shared and network in networks))
        networks.add(network)
        records.append(TrialRecord(trial.config[TRIAL], chosen, state, {objective: found}, seconds=seconds))
    return course(records, space)


def _table(pairs: list[tuple[Course, Course]], trials: int) -> Table:
    title = f"{len(pairs)} simulated pairs, seeds from 0"
    table = Table("random trials", "its best", "reached at", "quartiles", "at half or before", title=title)
    for number in sorted({trials * part // 8 for part in (2, 3, 5, 8)}):
        ends = [random[number - 1] for _, random in pairs]
        shares = [seconds_to(pruned, best) / cost for (pruned, _), (cost, best) in zip(pairs, ends, strict=True)]
        first, middle, third = np.quantile(shares, (0.25, 0.5, 0.75), method="higher")
        halves = np.mean(np.array(shares) <= 0.5)
        best = np.median([best for _, best in ends])
        table.add_row(str(number), f"{best:.1f}", f"{middle:.2f}", f"{first:.2f} to {third:.2f}", f"{halves:.0%}")
    return table

"""``cl2cm tune``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.commands import add_command
from cl2cm_plugin.commands.numbers import gpu_share, natural, positive
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.cores import granted

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from tuning.trial import Resources, Study
    from tuning.trials import Trials

HELP = """\
Search for a better recipe: Optuna proposes values, every trial is a Ray Train run
of the recipe, ASHA stops what is behind, on this machine or on the cluster that
RAY_ADDRESS names. Trials are judged by the dev cut, never by val.

SPACE says what may change: a shipped one by name, or a YAML file. Everything is
kept in the folder of --storage; a search that was stopped goes on by --resume.
--best trains the best trials in full, and --export makes the winner's model.
"""

EXAMPLES = """\
examples:
  cl2cm tune cl2cm --data archive/
  cl2cm tune cl2cm-stage-2 --recipe my-recipe.yaml --data archive/ --trials 24 --storage build/tuning/mine
  cl2cm tune --resume
  cl2cm tune --resume --trials 64
  cl2cm tune --best 3 --export cl2cm-de
  RAY_ADDRESS=auto cl2cm tune paper --data /shared/archive --storage /shared/tuning \\
      --workers 4 --gpus-per-worker 1 --cpus-per-worker 4
"""

_STORAGE = Path("build") / "tuning"
_KEEP = 3


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``tune``."""
    parser = add_command(subparsers, "tune", "search for a better recipe, with Ray", HELP, EXAMPLES)
    parser.add_argument("space", metavar="SPACE", nargs="?", help="a shipped space by name, or a YAML file")
    parser.add_argument("--data", metavar="DATA", help="captioned media or shards, or openmoji; if moved: where now")
    parser.add_argument("--recipe", metavar="RECIPE", help="the recipe to start from, instead of the space's")
    parser.add_argument(
        "--trials",
        metavar="N",
        type=positive,
        help="how many trials, instead of the space's; more, with --resume",
    )
    parser.add_argument("--seed", metavar="N", type=natural, help="seed of the search, instead of the space's")
    parser.add_argument("--storage", metavar="FOLDER", type=Path, help=f"seen by every node ({_STORAGE}/SPACE)")
    parser.add_argument("--resume", action="store_true", help="go on with the search in the folder, if there is one")
    parser.add_argument("--workers", metavar="N", type=positive, help="Ray Train workers a trial (1)")
    parser.add_argument(
        "--cpus-per-worker", metavar="N", type=positive, help="CPUs and threads of each (all that are left here)"
    )
    parser.add_argument(
        "--gpus-per-worker", metavar="N", type=gpu_share, help="0, 1, or a share of one GPU, as 0.5 (0)"
    )
    parser.add_argument("--concurrent", metavar="N", type=positive, help="trials at once (as many as there is room)")
    parser.add_argument("--mlflow", metavar="URI", help="log to this MLflow server or database as well")
    parser.add_argument("--best", metavar="K", type=positive, help="train the K best trials in full, to compare them")
    parser.add_argument("--export", metavar="NAME", help="train the winner on all pictures, and install it as NAME")
    parser.set_defaults(run=run_tune, extra="tune", runs_models=True)


def run_tune(arguments: argparse.Namespace) -> int:
    """Search, report, and make the winner's model.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0, or 1 where no trial has a figure.

    Raises:
        UserError: The space is wrong, the folder holds another search, or Ray cannot be used.
    """
    from rich.console import Console

    from tuning.cluster import connected
    from tuning.report import write
    from tuning.search_folder import alone, begin

    study, begins = _study(arguments)
    loggers = _check(arguments, study, begins=begins)
    with alone(study.storage), connected(granted(), study.storage / "ray.log", dashboard=True) as terminal:
        console = Console(file=terminal)
        trials = _trials(study)
        begin(study)
        if begins:
            _search(arguments, study, trials, loggers, console)
        report = write(study, trials)
        best = trials.ranked(study.space.objectives[0])
        if not best:
            _say(console, f"No trial came to an end; {report} says why.")
            return 1
        if arguments.best or arguments.export:
            _winner(arguments, study, trials, console)
            report = write(study, trials)
        _say(console, f"The report is {report}.")
    return 0


def _study(arguments: argparse.Namespace) -> tuple[Study, bool]:
    """Put the search together, and say whether trials are to be run: not where a finished one is only exported."""
    from tuning import spaces
    from tuning.search_folder import from_everywhere, is_begun, read
    from tuning.trial import Study

    if arguments.space:
        if not arguments.data:
            raise UserError("--data is missing: name a folder of captioned media or of shards, or the word openmoji.")
        space = spaces.load(arguments.space, recipe=arguments.recipe, trials=arguments.trials, seed=arguments.seed)
        storage = (arguments.storage or _STORAGE / Path(arguments.space).stem).absolute()
        known = read(storage).resources if arguments.resume and is_begun(storage) else None
        return Study(space, from_everywhere(arguments.data), storage, _resources(arguments, known)), True
    if not (arguments.resume or arguments.best or arguments.export):
        raise UserError(f"Name a space, for example cl2cm: shipped are {', '.join(spaces.shipped())}.")
    for option in ("recipe", "seed", *(() if arguments.resume else ("trials", "concurrent", "mlflow"))):
        if getattr(arguments, option) is not None:
            raise UserError(f"--{option} is said where a search begins: name its space as well, or leave it out.")
    begun = read((arguments.storage or _latest()).absolute())
    space = begun.space.model_copy(update={"trials": arguments.trials or begun.space.trials})
    data = from_everywhere(arguments.data) if arguments.data else begun.data
    resources = _resources(arguments, begun.resources)
    return replace(begun, space=space, data=data, resources=resources), bool(arguments.resume)


def _resources(arguments: argparse.Namespace, known: Resources | None) -> Resources:
    """What a trial takes: what is asked for, else what the search began with, else what this machine has."""
    from tuning.cluster import is_local
    from tuning.trial import Resources

    workers = arguments.workers or (known.workers if known else 1)
    gpus = arguments.gpus_per_worker
    if gpus is None:
        gpus = known.gpus if known else 0.0
    cpus = arguments.cpus_per_worker or (known.cpus if known else None)
    if cpus is None and not is_local():
        raise UserError("--cpus-per-worker is missing: on a cluster, say how many CPUs each worker takes.")
    return Resources(workers, cpus or max(1, granted() // (workers * (arguments.concurrent or 1))), gpus)


def _check(arguments: argparse.Namespace, study: Study, *, begins: bool) -> list[Any]:
    """Find what is wrong before anything starts, the quick things first; give the loggers that are asked for."""
    from cl2cm_plugin.encoder import model_store
    from tuning.beforehand import check_data, check_room, check_storage, check_workers
    from tuning.mlflow_log import mlflow_logger
    from tuning.search_folder import check_is_own, is_begun, is_gone, read

    if arguments.export:
        model_store.check_name(arguments.export)
    check_room(study.resources, granted())
    check_workers(study)
    loggers = [mlflow_logger(arguments.mlflow)] if arguments.mlflow else []
    check_is_own(study, resume=arguments.resume or not begins)
    unread = not is_begun(study.storage) or read(study.storage).data != study.data
    if unread or is_gone(study.data):
        check_data(study)
    check_storage(study.storage)
    return loggers


def _latest() -> Path:
    """The search that was begun last, of those in the usual place."""
    begun = sorted(_STORAGE.glob("*/search.json"), key=lambda file: file.stat().st_mtime)
    if not begun:
        raise UserError(f"There is no search in {_STORAGE}: name the folder of one by --storage, or a space.")
    return begun[-1].parent


def _search(arguments: argparse.Namespace, study: Study, trials: Trials, loggers: list[Any], console: Console) -> None:
    """Run the trials, and tell how they stand."""
    from tuning.progress import told
    from tuning.search import search

    try:
        with told(trials, study.space, console):
            search(study, concurrent=_concurrent(arguments, study, console), keep=_KEEP, loggers=loggers)
    except KeyboardInterrupt:
        _say(console, f"The search goes on by: cl2cm tune --resume --storage {study.storage}")
        raise


def _trials(study: Study) -> Trials:
    from tuning.trials import Trials

    return Trials(study.storage / "trials")


def _winner(arguments: argparse.Namespace, study: Study, trials: Trials, console: Console) -> None:
    """Compare the best trials in full, and make the model of the winner."""
    from cl2cm_plugin.encoder import model_store
    from tuning.comparison import compare

    winner = compare(study, trials, arguments.best or 1, console)
    if not arguments.export:
        return
    from tuning.training_on import unseen_splits
    from tuning.winner import final

    splits = unseen_splits(study.space.recipe_of(winner.chosen), study.data)
    model = final(study, winner, arguments.export, splits)
    model_store.install(model, arguments.export)
    _say(console, f"Installed {arguments.export} ({winner.name}); its card is {model}/README.md.")


def _concurrent(arguments: argparse.Namespace, study: Study, console: Console) -> int:
    """As many trials at once as the cluster has room for."""
    import ray

    there, wanted = ray.cluster_resources(), study.resources
    rooms = [there.get("CPU", 0) / (wanted.workers * wanted.cpus)]
    if wanted.gpus:
        rooms.append(there.get("GPU", 0) / (wanted.workers * wanted.gpus))
    if min(rooms) < 1:
        # It may be one that grows.
        _say(console, "The cluster has no room for a trial now, and the search waits until it has.")
    return int(arguments.concurrent or max(1, min(rooms)))


def _say(console: Console, sentence: str) -> None:
    """Print a sentence as it is: a path may hold what would be read as markup."""
    console.print(sentence, highlight=False, markup=False, soft_wrap=True)

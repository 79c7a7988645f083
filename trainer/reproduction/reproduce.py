"""Make the runs of a plan that are not there yet."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from sentence_transformers import SentenceTransformer

from cl2cm_plugin.errors import UserError
from trainer.digest import digest
from trainer.evaluation.encode import encoders
from trainer.evaluation.measurement import measure_split
from trainer.fit import embedder_of, fit, run_key, training_data
from trainer.reproduction import added_language, results
from trainer.reproduction.learning_code import learning_code
from trainer.reproduction.plan import PlannedRun, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy as np

    from trainer.corpus.captioned_media import CaptionedMedia
    from trainer.corpus.training_data import TrainingData
    from trainer.fit import Run
    from trainer.reproduction.plan import Plan
    from trainer.reproduction.results import RunResult

    Encode = Callable[[list[str]], np.ndarray]


class Reproduction:
    """The runs of a plan on a corpus, those that are done and those that are not.

    Args:
        plan: The plan.
        corpus: What it trains and reports on.
        work: Where models and checkpoints of runs are kept; never published.
        published: Where each finished run leaves its result.
        quick: Only the headline, with one seed and smaller settings.
    """

    def __init__(self, plan: Plan, corpus: CaptionedMedia, work: Path, published: Path, quick: bool = False) -> None:
        self._plan, self._corpus = plan, corpus
        self._work, self._published = work, published
        self.runs = list(runs(plan, quick))
        self._code = learning_code()
        self._data: dict[str, TrainingData] = {}
        self._keys: dict[str, str] = {}
        self._console = Console()

    def make(self, only: Iterable[str] = ()) -> None:
        """Make the runs that have no result yet.

        Args:
            only: Names of systems; all if empty.

        Raises:
            UserError: The plan has no system of such a name.
        """
        wanted, names = set(only), list(dict.fromkeys(run.name for run in self.runs))
        if unknown := sorted(wanted - set(names)):
            raise UserError(f"The plan has no system {unknown[0]!r}: there are {', '.join(names)}.")
        missing = [run for run in self.runs if (not wanted or run.name in wanted) and self.result(run) is None]
        for number, run in enumerate(missing, 1):
            self._console.rule(f"{run.title} ({number} of {len(missing)} to do)", align="left")
            self._make(run)

    def result(self, run: PlannedRun) -> RunResult | None:
        """Look up the result of a run; None if it is not done."""
        file = results.file_of(self._published, run.name, run.recipe.seed, self.key(run))
        return results.read(file) if file.is_file() else None

    def finished(self) -> list[tuple[PlannedRun, RunResult]]:
        """List the runs that are done, in the order of the plan."""
        found = ((run, self.result(run)) for run in self.runs)
        return [(run, result) for run, result in found if result is not None]

    def key(self, run: PlannedRun) -> str:
        """Hash a run's recipe, its data and the code that decides what it learns."""
        if run.title not in self._keys:
            recipe, adds = run.recipe, run.planned.adds
            added = [added_language.key(adds, recipe, self._corpus)] if adds else []
            self._keys[run.title] = digest([run_key(recipe, self._data_of(run)), self._code, *added])
        return self._keys[run.title]

    def _make(self, run: PlannedRun) -> None:
        start = time.process_time()
        found = measure_split(self._corpus, self._plan.gallery, self._plan.languages, *self._encoders(run))
        figures, hits = results.measured(found)
        result = results.RunResult(
            name=run.name,
            seed=run.recipe.seed,
            key=self.key(run),
            recipe=run.facts,
            seconds=round((time.process_time() - start) / results.cores(), 1),
            machine=results.machine(),
            figures=figures,
            hits=hits,
        )
        file = results.write(result, self._published)
        sums = ", ".join(f"{language} {result.sum_r(language):.1f}" for language in self._plan.languages)
        self._console.print(f"SumR {sums}; {result.seconds:.0f} s; {file}", highlight=False, soft_wrap=True)

    def _encoders(self, run: PlannedRun) -> tuple[Encode, Encode]:
        """Make a run's model, and return how it encodes files of pictures, and texts."""
        recipe, addition = run.recipe, run.planned.adds
        if addition is None:
            embedder = embedder_of(recipe, self._train(run))
            return embedder.pictures, embedder.texts
        start = self._train(PlannedRun(addition.to, self._plan.runs[addition.to], recipe))
        model = added_language.added(addition, recipe, self._corpus, start.model, self._folder(run) / "model")
        return encoders(SentenceTransformer(str(model), device="cpu", local_files_only=True))

    def _train(self, run: PlannedRun) -> Run:
        # What other code learned is another network.
        networks = self._work / "networks" / self._code
        return fit(run.recipe, self._corpus, self._folder(run), networks=networks, data=self._data_of(run))

    def _folder(self, run: PlannedRun) -> Path:
        return self._work / "runs" / f"{run.name}-seed{run.recipe.seed}-{self.key(run)}"

    def _data_of(self, run: PlannedRun) -> TrainingData:
        """What a run trains on; the same for all runs that read the same of the corpus."""
        recipe = run.recipe
        noise = (recipe.noise, recipe.seed if any(recipe.noise.model_dump().values()) else None)
        pairs = (recipe.pair_filter, recipe.model) if recipe.pair_filter else None
        pictures = (recipe.source_language, recipe.target_languages, recipe.split, recipe.origins, recipe.dev_pictures)
        also = (recipe.cross_modal.untranslated, recipe.cross_modal.supervised, recipe.same_picture)
        name = str((pictures, also, recipe.cross_lingual.sentences, noise, pairs))
        if name not in self._data:
            self._data[name] = training_data(recipe, self._corpus)
        return self._data[name]

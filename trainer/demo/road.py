"""The demo's steps, in order: pictures, server, training, install, serve, import, search."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console

from cl2cm_plugin import collections
from cl2cm_plugin.collections.server_binary import server_binary
from cl2cm_plugin.encoder import model_store
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.background import background
from cl2cm_plugin.vectorizer.web.server import bind
from trainer import contact_sheet
from trainer import corpus as corpora
from trainer import recipe as recipes
from trainer.corpus import openmoji
from trainer.demo import figures
from trainer.demo.searches import Found, results_table, search
from trainer.fit import Run, embedder_of, fit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from trainer.corpus import CaptionedMedia
    from trainer.recipe import Recipe

RECIPE = "openmoji"
COLLECTION = "Pictures"
_PORT = 9000


@dataclass
class _Road:
    """What the steps share: where results go, how long each step took, what it found."""

    target: str
    seeds: int
    out: Path
    console: Console = field(default_factory=Console)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.out / "demo"

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[None]:
        self.console.rule(f"[bold]{title}", align="left")
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 1)

    def seconds_text(self) -> str:
        return "Seconds: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in self.seconds.items())


def demo(target: str, seeds: int, out: Path) -> dict[str, Any]:
    """Go the whole road and show what it led to.

    What is there from an earlier demo with the same recipe and pictures is used again.

    Args:
        target: Language of the queries; one of the collection's thirteen beside English.
        seeds: How many models to train; the figures are their mean, the first one is served.
        out: Folder for ``demo.json``, ``demo-<target>.png`` and everything that was made on the way.

    Returns:
        What ``demo.json`` holds.

    Raises:
        UserError: The collection has no names in that language, or a step fails.
    """
    if target not in openmoji.LANGUAGES or target == openmoji.SOURCE_LANGUAGE:
        known = ", ".join(sorted(set(openmoji.LANGUAGES) - {openmoji.SOURCE_LANGUAGE}))
        raise UserError(f"The demo has no pictures named in {target!r}; choose one of {known}.")
    road = _Road(target, seeds, out)
    with road.step("pictures", "Pictures: OpenMoji's drawings with Unicode's names"):
        corpus = corpora.read(openmoji.build(road.folder / "openmoji"))
        road.console.print(f"{len(corpus.media)} pictures with names in {len(corpus.languages)} languages.")
    with ThreadPoolExecutor(1) as beside:
        # Found at once, or downloaded or built meanwhile; quietly, since there can be one progress bar at a time.
        binary = beside.submit(server_binary, console=Console(quiet=True))
        runs = _train(road, corpus, binary)
        recall = _measure(road, corpus, runs)
        with (
            road.step("weaviate_binary", "Weaviate's server: found, downloaded or built"),
            road.console.status("the server is still being made (once; some minutes, if built with Go)"),
        ):
            road.console.print(str(binary.result()), highlight=False, soft_wrap=True)
    name = runs[0][1].info.name
    with road.step("install", f"Install {name}"):
        model_store.install(runs[0][1].model, name)
        road.console.print(f'From now on, after `import cl2cm_plugin`: SentenceTransformer("{name}")', highlight=False)
    found = _serve_and_search(road, corpus, name)
    return _report(road, corpus, runs[0][1], recall, found)


def _train(road: _Road, corpus: CaptionedMedia, binary: Future[Path]) -> list[tuple[Recipe, Run]]:
    runs = []
    for seed in range(road.seeds):
        if binary.done():
            binary.result()  # without a server there is no demo: better said now
        with road.step(f"train_seed_{seed}", f"Train, seed {seed} ({seed + 1} of {road.seeds})"):
            recipe = recipes.load(RECIPE, target_languages=[road.target], seed=seed)
            folder = road.folder / f"{recipe.model_name}-seed{seed}"
            run = fit(recipe, corpus, folder, [openmoji.HELD_OUT])
            runs.append((recipe, run))
            road.console.print(f"{run.info.identity} is in {run.model}", highlight=False)
    return runs


def _measure(road: _Road, corpus: CaptionedMedia, runs: list[tuple[Recipe, Run]]) -> list[dict[str, Any]]:
    with road.step("measure", "Measure, with exact search"):
        languages = [openmoji.SOURCE_LANGUAGE, road.target]
        return [
            figures.recall(figures.embed(corpus, embedder_of(recipe, run), languages), road.target)
            for recipe, run in runs
        ]


def _serve_and_search(road: _Road, corpus: CaptionedMedia, name: str) -> Found:
    with ExitStack() as stack:
        with road.step("serve", f"Serve {name} as Weaviate's vectorizer"):
            vectorizer = stack.enter_context(background(name, port=_free_port()))
            road.console.print(f"{vectorizer.url} answers.", highlight=False)
        with road.step("weaviate_start", "Start Weaviate"):
            data = road.folder / "weaviate"
            client = stack.enter_context(collections.connect(vectorizer.url, data=data))
            road.console.print(f"Weaviate {client.get_meta()['version']} answers.", highlight=False)
        with road.step("import", "Import the pictures, each with its English name"):
            client.collections.delete(COLLECTION)
            collection = collections.create(client, COLLECTION, vectorizer.url, store_media=True)
            report = collections.import_folder(collection, corpus.folder)
            road.console.print(str(report), markup=False, highlight=False)
        with road.step("search", "Search"):
            return search(collection, corpus, road.target)


def _free_port() -> int:
    """The usual port, so that the collection can be searched later too; any free one (0) if it is taken."""
    try:
        bind("127.0.0.1", _PORT).close()
    except UserError:
        return 0
    return _PORT


def _report(
    road: _Road, corpus: CaptionedMedia, run: Run, recall: list[dict[str, Any]], found: Found
) -> dict[str, Any]:
    averaged = figures.mean(recall)
    road.console.print(results_table(found.rows, road.target))
    road.console.print(figures.table(averaged, road.target, road.seeds))
    road.console.print(
        f"The same through Weaviate for the first {found.checked} held-out names, picture and English name together, "
        f"seed 0: {found.held_out_r10:.1f} (exact search over all of them: "
        f"{recall[0][figures.TOGETHER_HELD][road.target]:.1f}).",
        highlight=False,
    )
    sheet = road.out / f"demo-{road.target}.png"
    title = f"Searched in {road.target}: nobody captioned a picture in that language"
    contact_sheet.draw(found.rows, title, corpus.attribution, sheet)
    summary = {
        "model": run.info.identity,
        "target": road.target,
        "seconds": {**road.seconds, "total": round(sum(road.seconds.values()), 1)},
        "objects": found.objects,
        "recall": averaged,
        "recall_of_seeds": recall,
        "through_weaviate": {"queries": found.checked, figures.TOGETHER_HELD: found.held_out_r10},
    }
    file = road.out / "demo.json"
    file.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    road.console.print(f"{road.seconds_text()}\nFigures: {file}   Contact sheet: {sheet}", highlight=False)
    road.console.print(
        f'Go on: cl2cm serve {run.info.name}   and   cl2cm search "..." --collection {COLLECTION} '
        f"--with-captions --data {road.folder / 'weaviate'}",
        highlight=False,
        soft_wrap=True,
    )
    return summary

"""The tables of `docs/scaling.md`, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaling_parts import costs
from scaling_parts import inputs as given
from scaling_parts.ranges import Range, of, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scaling_parts.inputs import Input

SCALES = {"1 million": 1e6, "100 million": 1e8, "1 billion": 1e9}
DIMENSIONS = 512
BEST = "8-bit RQ"
_EXACT = 4


def all_tables() -> dict[str, str]:
    """Give every table by the name that it has in the document."""
    return {
        "summary": _summary(),
        "measured": _inputs(given.MEASURED),
        "published": _inputs(given.PUBLISHED),
        "assumed": _inputs(given.ASSUMED),
        "embedding": _embedding(),
        "training on cores": _training_on_cores(),
        "steps": _steps(),
        "training on GPUs": _training_on_gpus(),
        "a vector": _vector(),
        "Weaviate": _weaviate(),
        "indexing": _indexing(),
        "queries": _queries(),
    }


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Put a table together; all columns but the first hold numbers."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _inputs(numbers: Sequence[Input]) -> str:
    lines = [["number", "value", "unit", "source"], ["---", "---:", "---", "---"]]
    lines += [[one.name, one.value.shown(_EXACT), one.unit, _source(one)] for one in numbers]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _source(one: Input) -> str:
    return f"[{one.source}]({one.source})" if one.said else one.source


def _summary() -> str:
    rows: dict[str, list[object]] = {
        "files of the media, TB": [],
        "embedding, core hours (cl2cm-de)": [],
        "embedding, hours of an L4 (ViT-B/32)": [],
        "training, hours of an A100 (paper.yaml)": [],
        "Weaviate's memory for one copy, GB": [],
        "nodes of 128 GB, one copy": [],
        "nodes of 128 GB, three copies": [],
        "indexing, hours": [],
    }
    for media in SCALES.values():
        machines = costs.nodes(media, DIMENSIONS, BEST)
        column = [
            costs.files(media),
            costs.embedding_on_cores(media),
            costs.embedding_on_gpu(media, given.L4, given.VIT_B),
            costs.training_on_gpu(media, given.A100, given.PASSES[media].value),
            costs.planned(media, DIMENSIONS, BEST),
            *_copies(machines),
            costs.indexing(media, machines),
        ]
        for cells, cell in zip(rows.values(), column, strict=True):
            cells.append(cell)
    return _table(["", *(f"{name} media" for name in SCALES)], [[name, *cells] for name, cells in rows.items()])


def _copies(machines: Range) -> list[str]:
    """Write how many nodes hold one copy, and how many all copies."""
    return [machines.shown(0), (machines * given.COPIES.value).shown(0)]


def _embedding() -> str:
    towers = {"ViT-B/32 on an L4": (given.L4, given.VIT_B), "ViT-L/14 on an L4": (given.L4, given.VIT_L)}
    towers["ViT-L/14 on an A100"] = (given.A100, given.VIT_L)
    cores = given.BESIDE.value.usual
    rate = costs.pictures_on_a_core() * cores
    hours = [costs.embedding_on_cores(media) / cores for media in SCALES.values()]
    rows: list[list[object]] = [["cl2cm-de, no GPU", rate, *hours]]
    for name, (gpu, tower) in towers.items():
        hours = [costs.embedding_on_gpu(media, gpu, tower) for media in SCALES.values()]
        rows.append([name, costs.embedding_rate(gpu, tower), *hours])
    return _table(["hours of a machine of 16 cores", "pictures/s", *SCALES], rows)


def _training_on_cores() -> str:
    rows = [
        [
            name,
            costs.stage_one_on_cores(media, given.FIRST_PASS),
            costs.stage_one_on_cores(media, given.LATER_PASS),
            costs.projections_on_cores(media),
            costs.layers_on_cores(media),
            costs.states(media),
        ]
        for name, media in SCALES.items()
    ]
    columns = [
        "pictures",
        "stage 1, first pass",
        "stage 1, a later pass",
        "projections, a pass",
        "stage 2 with layers, a pass",
        "states on disk, TB",
    ]
    return _table(columns, rows)


def _steps() -> str:
    one, two = costs.stage_one(), costs.stage_two()
    rows: list[list[object]] = [
        ["stage 1, a pair of sentences", one, given.TRAINING_BUSY.value, costs.training_rate(given.A100, one)],
        ["stage 2, a picture and two captions", two, given.TRAINING_BUSY.value, costs.training_rate(given.A100, two)],
        ["open_clip, ViT-B/32, published", given.CLIP_STEP.value, costs.published_busy(), given.CLIP_RATE.value],
    ]
    return _table(["one pass on an A100", "GFLOP", "part of the peak", "a second"], rows)


def _training_on_gpus() -> str:
    rows = []
    for name, media in SCALES.items():
        passes = given.PASSES[media].value
        hours = [costs.training_on_gpu(media, gpu, passes) for gpu in (given.L4, given.A100, given.H100)]
        rows.append([name, costs.training_on_gpu(media, given.A100, of(1)), passes, *hours])
    return _table(["pictures", "one pass, A100 hours", "passes", "L4 hours", "A100 hours", "H100 hours"], rows)


def _vector() -> str:
    sizes = (128, 256, 512, 768)
    rows = [[name, *(costs.vector(size, name).whole().shown(0) for size in sizes)] for name in costs.COMPRESSIONS]
    rows.append(["the graph, beside any of them", *[costs.graph().shown(0)] * len(sizes)])
    return _table(["bytes in memory", *(f"d = {size}" for size in sizes)], rows)


def _weaviate() -> str:
    rows = [
        [
            f"{name}, {compression}",
            costs.memory(media, DIMENSIONS, compression),
            costs.planned(media, DIMENSIONS, compression),
            *_copies(costs.nodes(media, DIMENSIONS, compression)),
            costs.disk(media, DIMENSIONS, compression),
        ]
        for name, media in SCALES.items()
        for compression in costs.COMPRESSIONS
    ]
    columns = [
        "media",
        "vectors and graph, GB",
        "planned, GB",
        "nodes, one copy",
        "three copies",
        "disk of a copy, TB",
    ]
    return _table(columns, rows)


def _indexing() -> str:
    rows = []
    for name, media in SCALES.items():
        machines = costs.nodes(media, DIMENSIONS, BEST)
        embedded = costs.embedding_on_cores(media)
        rows.append([name, shown(machines.usual, 0), costs.indexing(media, machines), embedded / 2, embedded / 64])
    return _table(
        ["media", "nodes of a copy", "indexing alone", "embedding on 2 cores", "embedding on 64 cores"], rows
    )


def _queries() -> str:
    rows = []
    for queries in (10, 100, 1_000, 10_000):
        cores = costs.query_cores(queries)
        replicas = (cores / given.CORES).whole()
        memory = replicas * given.SERVICE.value / 1000
        copies = costs.query_copies(queries)
        rows.append([shown(queries, 0), cores.shown(0), replicas.shown(0), memory, copies.shown(0)])
    columns = ["queries a second", "vectorizer cores", "replicas of 2 cores", "their memory, GB", "copies in Weaviate"]
    return _table(columns, rows)

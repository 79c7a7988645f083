"""What media cost: files, embedding, training, vectors in Weaviate, queries. All by their number, with bounds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scaling_parts import inputs as given
from scaling_parts.ranges import Range, of

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaling_parts.inputs import Input

HOUR = 3600
CORES_A_NODE = 16
UNCOMPRESSED = "uncompressed"
COMPRESSIONS = (UNCOMPRESSED, "8-bit RQ", "PQ", "1-bit RQ")
# paper.yaml trains 9 of 12 text layers; a step forward and back takes three times the step forward. Training on shards
# computes what lies below in every step, and what the teacher makes of both sentences.
_TEXT_STEPS = (3 * 9 + 3) / 12
_TEACHER_STEPS = 1
_PICTURE_STEPS = 3
_CAPTIONS = 2


def files(media: float) -> Range:
    """Terabytes of pictures."""
    return given.MEDIUM.value * media / 1e9


def pictures_on_a_core() -> Range:
    """Pictures a second with cl2cm-de's image tower."""
    return given.PICTURES.value / given.CORES


def prepared_on_a_core() -> Range:
    """Pictures a second that are decoded and preprocessed, and no more."""
    return of(given.PICTURES.value.usual) / given.CORES / given.PREPARING.value


def embedding_on_cores(media: float) -> Range:
    """Core hours with cl2cm-de's image tower."""
    return of(media) / pictures_on_a_core() / HOUR


def embedding_rate(gpu: Input, tower: Input) -> Range:
    """Pictures a second: what the GPU can take, or what the cores beside it can prepare."""
    computed = gpu.value * 1000 * given.BUSY.value / tower.value
    return computed.at_most(prepared_on_a_core() * given.BESIDE.value)


def embedding_on_gpu(media: float, gpu: Input, tower: Input) -> Range:
    """GPU hours."""
    return of(media) / embedding_rate(gpu, tower) / HOUR


def sentence() -> Range:
    """GFLOP of one sentence through all text layers."""
    return given.BERT.value * 2e6 * given.TOKENS.value / 1e9


def stage_one() -> Range:
    """GFLOP of a pair of sentences in training."""
    return sentence() * _TEXT_STEPS * _CAPTIONS


def stage_two() -> Range:
    """GFLOP of a picture with a caption and its translation in training, image tower and all."""
    return given.VIT_B.value * _PICTURE_STEPS + sentence() * (_TEXT_STEPS + _TEACHER_STEPS) * _CAPTIONS


def training_rate(gpu: Input, gflop: Range) -> Range:
    """Pairs a second."""
    return gpu.value * 1000 * given.TRAINING_BUSY.value / gflop


def training_on_gpu(media: float, gpu: Input, passes: Range) -> Range:
    """GPU hours of both stages."""
    return of(media) * passes / training_rate(gpu, stage_one() + stage_two()) / HOUR


def published_busy() -> Range:
    """The part of an A100's peak that open_clip's published runs reached."""
    return given.CLIP_RATE.value * given.CLIP_STEP.value / 1000 / given.A100.value


def stage_one_on_cores(media: float, rate: Input) -> Range:
    """Core hours of a pass of stage 1, with a small text tower."""
    return of(media) / (rate.value / given.CORES) / HOUR


def projections_on_cores(media: float) -> Range:
    """Core hours of a pass over pictures and captions, image tower and text layers frozen."""
    return of(media) / given.BATCH * given.PROJECTIONS.value / 1000 * given.CORES / HOUR


def layers_on_cores(media: float) -> Range:
    """Core hours of a pass of stage 2 that trains the upper layers of a small text tower."""
    return of(media) / given.BATCH * given.LAYERS.value * given.CORES / HOUR


def states(media: float) -> Range:
    """Terabytes of frozen text layers' states, of a caption and its translation each."""
    return given.STATES.value * _CAPTIONS * media / 1e9


def graph() -> Range:
    """Bytes of an object's connections."""
    return given.CONNECTION.value * given.CONNECTIONS.value


def vector(dimensions: int, compression: str) -> Range:
    """Bytes of a vector in memory."""
    rotated = math.ceil(dimensions / 64) * 64
    kinds: dict[str, Callable[[], Range]] = {
        UNCOMPRESSED: lambda: of(4 * dimensions),
        "8-bit RQ": lambda: given.RQ8.value + rotated,
        "PQ": lambda: given.PQ.value * 4 * dimensions,
        "1-bit RQ": lambda: given.RQ1.value + max(256, rotated) / 8,
    }
    return kinds[compression]()


def memory(media: float, dimensions: int, compression: str) -> Range:
    """Gigabytes that vectors and graph take."""
    return (vector(dimensions, compression) + graph()) * media / 1e9


def planned(media: float, dimensions: int, compression: str) -> Range:
    """Gigabytes to plan for."""
    return memory(media, dimensions, compression) * given.PLANNED.value


def nodes(media: float, dimensions: int, compression: str) -> Range:
    """Nodes that hold one copy of everything."""
    return (planned(media, dimensions, compression) / (given.NODE.value * given.USABLE.value)).whole()


def disk(media: float, dimensions: int, compression: str) -> Range:
    """Terabytes that one copy takes: whole vectors always, compressed ones beside them, the graph, objects."""
    codes = vector(dimensions, compression) if compression != UNCOMPRESSED else of(0)
    stored = codes + 4 * dimensions + graph() + given.OBJECT.value * 1000
    return stored * media * given.DISK.value / 1e12


def indexing(media: float, machines: Range) -> Range:
    """Hours in which one copy's nodes index vectors that are given; the other copies do so at the same time."""
    return of(media) / (given.INDEXED.value * CORES_A_NODE * machines.usual) / HOUR


def query_cores(queries: float) -> Range:
    """Cores of vectorizers for so many queries a second."""
    return (of(queries) / (given.TEXTS.value / given.CORES * given.LOAD.value)).whole()


def query_copies(queries: float) -> Range:
    """Copies of a collection that answer so many queries a second."""
    return (of(queries) / given.SEARCHES.value).whole()

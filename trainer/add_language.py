"""From a trained model and sentences to a model that knows a further language, with the same vectors of pictures.

The image tower is never run: its files are copied. A run keeps its checkpoint in a folder beside the model that it
makes, ``<model>.run``, and goes on from there after a kill; the model's folder appears when all is done.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import lightning as L
import torch
import yaml
from sentence_transformers import SentenceTransformer

from cl2cm_plugin.encoder import model_folder, model_info, two_tower, vocabulary
from cl2cm_plugin.errors import UserError
from trainer import language_card
from trainer.digest import digest
from trainer.language_card import Addition, Measured
from trainer.language_vocabulary import TEXT_TOWER, needed_pieces, with_pieces
from trainer.launch import Launch
from trainer.methods.language_addition import LanguageAdditionNetwork
from trainer.methods.stage import train
from trainer.towers.embedding import text_vectors
from trainer.towers.feature_cache import FeatureCache
from trainer.towers.frozen_text import FrozenText, states_key
from trainer.towers.grown_text import GrownText
from trainer.towers.trained_text import TrainedText

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from cl2cm_plugin.encoder.model_info import ModelInfo
    from trainer.language_recipe import LanguageAddition
    from trainer.language_texts import LanguageTexts

_TEXT_PROJECTION = f"{two_tower.TEXT}_2_Dense"
_SAMPLE = 1000


@dataclass(frozen=True)
class Added:
    """A model that languages were added to.

    Attributes:
        folder: The new model's folder.
        info: What it says of itself.
        measured: What adding did to vectors.
    """

    folder: Path
    info: ModelInfo
    measured: Measured


def check(folder: Path, languages: Sequence[str], out: Path) -> ModelInfo:
    """Make sure that languages can be added to a model, before anything is read or translated.

    Args:
        folder: The model's folder.
        languages: The languages to add.
        out: Where the new model is to go.

    Returns:
        What the model says of itself.

    Raises:
        UserError: It is no model of two towers, knows a language already, a language is unknown, or ``out`` is taken.
    """
    info = model_info.read(folder)
    wanted = (TEXT_TOWER, _TEXT_PROJECTION, two_tower.IMAGE_TOWER)
    if missing := [name for name in wanted if not (folder / name).is_dir()]:
        raise UserError(f"{folder} is no model of two towers as `cl2cm train` makes them: it has no {missing[0]}.")
    vocabulary.scripts_of(languages)
    if known := [language for language in languages if language in info.languages]:
        raise UserError(f"{info.name} has {known[0]} already, among {', '.join(info.languages)}.")
    if out.exists():
        raise UserError(f"{out} is there already: delete it, or name another folder with --out.")
    return info


def add_language(
    folder: Path,
    languages: Sequence[str],
    texts: LanguageTexts,
    settings: LanguageAddition,
    out: Path,
    name: str,
    text_backbone: str | None = None,
) -> Added:
    """Teach the text tower of a model further languages, or go on with a run that was stopped.

    Args:
        folder: The model's folder.
        languages: The languages to add.
        texts: What they are learned from.
        settings: How.
        out: The new model's folder; must not be there.
        name: The new model's name.
        text_backbone: The backbone that the model's text tower came from; by default what the model says.

    Returns:
        The new model. Every file of its image tower equals the earlier model's.

    Raises:
        UserError: As `check` and the training raise it, or the backbone that has further pieces cannot be told.
    """
    info = check(folder, languages, out)
    work = run_folder(out) / f"training-{_key(info, languages, texts, settings, text_backbone)}"
    needed = needed_pieces(folder, info, languages, texts.targets, settings.vocabulary, text_backbone)
    start = with_pieces(folder, needed, work / "start") if needed else folder
    # Only now: writing a tokenizer's new rows builds models, which draw random numbers.
    L.seed_everything(settings.seed, workers=True, verbose=False)
    teaching = _TextTower(folder, settings.trained_layers)
    taught = teaching.vectors([*texts.sources, *texts.known])
    tower = _TextTower(start, settings.trained_layers, teaching.pieces)
    states = tower.frozen.states([*texts.sources, *texts.targets, *texts.known])
    stage = LanguageAdditionNetwork(tower.text, settings, states, taught, texts.pairs, texts.known)
    train(stage, work, Launch(settings.compute))
    measured = _measured(texts, teaching, tower, taught)
    measured = replace(measured, resegmented=_resegmented(folder, start, texts))
    tower.save(work / "model", start)
    facts = replace(
        info,
        name=name,
        languages=[*info.languages, *languages],
        trained_on=f"{info.trained_on}; {', '.join(languages)}: {texts.described}",
        extends=[*info.extends, info.identity],
    )
    facts = _describe(work / "model", folder, facts, languages, texts, settings, measured)
    (work / "model").rename(out)
    shutil.rmtree(work)
    if not any(run_folder(out).iterdir()):
        run_folder(out).rmdir()
    return Added(out, facts, measured)


def run_folder(out: Path) -> Path:
    """Where a run keeps its checkpoint, until it is done, and the translations that it made."""
    return out.with_name(f"{out.name}.run")


class _TextTower:
    """The text tower of a model folder, split at its lowest trained layer.

    Args:
        folder: A model folder.
        trained_layers: How many of the upper layers are trained, or as many as there are.
        known_pieces: How many pieces were there before others were appended; None if all.
    """

    def __init__(self, folder: Path, trained_layers: int, known_pieces: int | None = None) -> None:
        self.model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        transformer, _, self._projection = two_tower.text_route(self.model)
        self._transformer = transformer
        self.pieces: int = transformer.model.config.vocab_size
        layers = min(trained_layers, transformer.model.config.num_hidden_layers)
        self.text: TrainedText
        if known_pieces is None or known_pieces == self.pieces:
            key = states_key(self.model, folder / TEXT_TOWER, layers)
            self.frozen = FrozenText(self.model, layers, FeatureCache("text", key))
            self.text = TrainedText(self.model, layers)
        else:
            self.frozen = FrozenText(self.model, "all")
            self.text = GrownText(self.model, layers, known_pieces)

    def vectors(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Encode texts: a unit vector each, shape (d,)."""
        return text_vectors(self.text, self.frozen.states(texts))

    def stacked(self, texts: Sequence[str]) -> Tensor:
        """Encode texts: unit vectors, shape (n, d)."""
        vectors = self.vectors(texts)
        return torch.stack([vectors[text] for text in texts])

    def save(self, out: Path, start: Path) -> None:
        """Write the model folder ``start`` with this tower; every other file is copied."""
        if isinstance(self.text, GrownText):
            self.text.finish()
        shutil.rmtree(out, ignore_errors=True)
        model_folder.copy(start, out)
        two_tower.forget_last_call(self._transformer)
        self._transformer.save(str(out / TEXT_TOWER))
        self._projection.save(str(out / _TEXT_PROJECTION))
        for file in out.rglob("*"):
            # safetensors files come out readable by their owner alone.
            file.chmod(0o755 if file.is_dir() else 0o644)


def _measured(texts: LanguageTexts, before: _TextTower, after: _TextTower, taught: dict[str, Tensor]) -> Measured:
    pairs, known = texts.pairs[:_SAMPLE], [*texts.known, *texts.sources]
    sources = torch.stack([taught[pair.source] for pair in pairs])
    targets = [pair.target for pair in pairs]
    sample = known[:: -(-len(known) // _SAMPLE)]
    return Measured(
        sample=_SAMPLE,
        before=_cosine(before.stacked(targets), sources),
        learned=_cosine(after.stacked(targets), sources),
        kept=_cosine(after.stacked(sample), torch.stack([taught[text] for text in sample])),
        pieces=before.pieces,
        appended=after.pieces - before.pieces,
        compared=len(known),
    )


def _resegmented(folder: Path, start: Path, texts: LanguageTexts) -> int:
    known = [*texts.known, *texts.sources]
    return vocabulary.resegmented(folder / TEXT_TOWER, start / TEXT_TOWER, known) if start != folder else 0


def _cosine(a: Tensor, b: Tensor) -> float:
    return float((a * b).sum(dim=1).mean())


def _describe(
    made: Path,
    folder: Path,
    facts: ModelInfo,
    languages: Sequence[str],
    texts: LanguageTexts,
    settings: LanguageAddition,
    measured: Measured,
) -> ModelInfo:
    """Write the card and ``cl2cm.json`` of the new model."""
    card = folder / "README.md"
    addition = Addition(
        origin=facts.extends[-1],
        earlier=card.read_text(encoding="utf-8") if card.is_file() else "",
        languages=list(languages),
        described=texts.described,
        licence=texts.licence,
        known=len(texts.known),
        recipe=yaml.safe_dump(settings.model_dump(), sort_keys=False, allow_unicode=True),
        measured=measured,
    )
    (made / "README.md").write_text(language_card.write(facts, addition), encoding="utf-8")
    image_fingerprint = model_info.image_fingerprint(made)
    facts = replace(facts, fingerprint=model_info.fingerprint(made), image_fingerprint=image_fingerprint)
    model_info.write(made, facts)
    return facts


def _key(
    info: ModelInfo,
    languages: Sequence[str],
    texts: LanguageTexts,
    settings: LanguageAddition,
    text_backbone: str | None,
) -> str:
    """Hash all that the new vectors depend on."""
    pairs = (f"{pair.source}\t{pair.target}" for pair in texts.pairs)
    start = [info.fingerprint, *languages, settings.model_dump_json(exclude={"compute"}), str(text_backbone)]
    return digest([*start, *pairs, "", *texts.known])

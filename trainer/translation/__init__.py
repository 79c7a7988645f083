"""Machine translation of captions, for those who have captions in one language alone.

Two translators: Apertium, which runs offline (:mod:`trainer.translation.apertium`), and any Hugging Face
sequence-to-sequence model (:mod:`trainer.translation.seq2seq`). :mod:`trainer.translation.pair_table` writes what they
say as sentence pairs. Machine-made sentences are training text, never test data.
"""

from __future__ import annotations

from typing import Protocol

from cl2cm_plugin.errors import UserError

__all__ = ["Translator", "find_translator"]

APERTIUM = "apertium"


class Translator(Protocol):
    """Translates sentences from one language to one other."""

    @property
    def name(self) -> str:
        """What the origin of its sentence pairs says after ``mt-``."""
        ...

    def translate(self, sentences: list[str]) -> list[str]:
        """Translate sentences.

        Args:
            sentences: Sentences of the source language.

        Returns:
            As many translations in the same order; an empty one where there is none.
        """
        ...


def find_translator(source: str, target: str, name: str | None = None, beams: int | None = None) -> Translator:
    """Find what translates between two languages.

    Args:
        source: Language of the sentences, such as ``en``.
        target: Language wanted, such as ``fr`` or ``pt_BR``.
        name: ``apertium``, or the name or folder of a Hugging Face sequence-to-sequence model; Apertium by default.
        beams: Width of the beam search of a model; the model's own by default.

    Returns:
        The translator, ready to work.

    Raises:
        UserError: It does not translate this pair, or is not installed; the message names the ways out.
    """
    if name is None or name == APERTIUM:
        from trainer.translation.apertium import ApertiumTranslator

        if beams is not None:
            raise UserError("Apertium searches no beams: leave --beams out, or name a model by --with.")
        return ApertiumTranslator(source, target)
    from trainer.translation.seq2seq import Seq2SeqTranslator

    return Seq2SeqTranslator(name, source, target, beams=beams)

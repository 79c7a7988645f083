"""Any Hugging Face sequence-to-sequence model as a translator: Marian, M2M100, NLLB, mBART, MADLAD, T5."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from cl2cm_plugin.errors import UserError
from trainer.translation.languages import find_code

if TYPE_CHECKING:
    from collections.abc import Iterable

_BATCH = 32
# For tokenizers that set no limit of their own.
_LONGEST_INPUT = 512
# A translation in tokens: twice the source and some.
_GROWTH, _ROOM = 2, 16
# How tokenizers write languages: NLLB and mBART as special tokens, MADLAD and multi-target Marian before the sentence.
_SPECIAL = re.compile(r"([a-z]{2,3}_[A-Z][A-Za-z]{1,3})")
# T5: what stands before the sentence is in the model's configuration.
_TASK = re.compile(r"translation_([a-z]{2,3})_to_([a-z]{2,3})")
_PREFIX = re.compile(r"(?:<2|>>)([A-Za-z]{2,3}(?:_\w+)?)(?:>|<<)")


class Seq2SeqTranslator:
    """Translates with a sequence-to-sequence model.

    Where the tokenizer knows several languages, the source and target language are set in the model's own way. A model
    of one pair is taken at its word.

    Args:
        model: A name on the Hugging Face hub, or a folder.
        source: Language of the sentences.
        target: Language wanted.
        beams: Width of the beam search; the model's own by default.
        batch_size: Sentences at once.
        device: Where to compute; a GPU if there is one.

    Attributes:
        name: The model's name, or the folder's.

    Raises:
        UserError: There is no such model, or it does not know a language.
    """

    def __init__(
        self,
        model: str,
        source: str,
        target: str,
        *,
        beams: int | None = None,
        batch_size: int = _BATCH,
        device: str | None = None,
    ) -> None:
        folder = Path(model)
        self.name = folder.resolve().name if folder.is_dir() else model
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._batch_size = batch_size
        self._tokenizer, self._model = _load(model)
        self._model.to(self._device).eval()
        self._prefix = ""
        self._options: dict[str, Any] = {} if beams is None else {"num_beams": beams}
        self._set_languages(source, target)

    def _set_languages(self, source: str, target: str) -> None:
        codes = _language_codes(self._tokenizer)
        prefixes = {match[1]: match[0] for match in map(_PREFIX.fullmatch, self._tokenizer.get_vocab()) if match}
        if hasattr(self._tokenizer, "src_lang") and codes:
            self._tokenizer.src_lang = self._known(source, codes)
            self._options["forced_bos_token_id"] = codes[self._known(target, codes)]
        elif prefixes:
            self._prefix = prefixes[self._known(target, prefixes)] + " "
        elif tasks := _tasks(self._model):
            if (source, target) not in tasks:
                known = ", ".join(f"{one} to {other}" for one, other in sorted(tasks))
                raise UserError(f"{self.name} does not translate {source} to {target}; it translates {known}.")
            self._prefix = tasks[source, target]
        else:
            said = self._tokenizer.init_kwargs.get("target_lang")
            if said and find_code(target, [said]) is None:
                raise UserError(f"{self.name} translates to {said!r}, not to {target!r}; name another model.")

    def _known(self, language: str, codes: Iterable[str]) -> str:
        code = find_code(language, codes)
        if code is None:
            raise UserError(
                f"{self.name} does not know the language {language!r}; it knows {', '.join(sorted(codes))}."
            )
        return code

    @torch.inference_mode()
    def translate(self, sentences: list[str]) -> list[str]:
        """Translate sentences.

        Args:
            sentences: Sentences of the source language; what exceeds the model's longest input is cut off.

        Returns:
            As many translations in the same order; empty for an empty sentence.
        """
        results = [""] * len(sentences)
        filled = (place for place, sentence in enumerate(sentences) if sentence.strip())
        # Sentences of one length together need little padding.
        by_length = sorted(filled, key=lambda place: -len(sentences[place]))
        for start in range(0, len(by_length), self._batch_size):
            places = by_length[start : start + self._batch_size]
            for place, text in zip(places, self._batch([sentences[place] for place in places]), strict=True):
                results[place] = " ".join(text.split())
        return results

    def _batch(self, sentences: list[str]) -> list[str]:
        longest = min(self._tokenizer.model_max_length, _LONGEST_INPUT)
        texts = [self._prefix + sentence for sentence in sentences]
        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
        inputs = {name: tokens[name].to(self._device) for name in ("input_ids", "attention_mask")}
        room = _GROWTH * inputs["input_ids"].shape[1] + _ROOM
        generated = self._model.generate(**inputs, max_new_tokens=room, **self._options)
        return self._tokenizer.batch_decode(generated, skip_special_tokens=True)


def _load(model: str) -> tuple[Any, Any]:
    try:
        return AutoTokenizer.from_pretrained(model), AutoModelForSeq2SeqLM.from_pretrained(model)
    except ImportError as error:
        raise UserError(
            f"{model} needs a package that is not installed (pip install sentencepiece): {_first_line(error)}"
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{model} cannot be read as a Hugging Face sequence-to-sequence model, neither as a folder nor by name "
            f"from the hub: {_first_line(error)}"
        ) from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _tasks(model: Any) -> dict[tuple[str, str], str]:
    """What T5 wants before a sentence, by source and target language."""
    tasks = getattr(model.config, "task_specific_params", None) or {}
    named = ((_TASK.fullmatch(name), lines.get("prefix", "")) for name, lines in tasks.items())
    return {(match[1], match[2]): prefix for match, prefix in named if match}


def _language_codes(tokenizer: Any) -> dict[str, int]:
    """Token ids of the languages that a tokenizer has special tokens for."""
    if hasattr(tokenizer, "lang_code_to_token"):  # M2M100: the code fr, the token __fr__
        tokens = tokenizer.lang_code_to_token
    else:
        tokens = {token: token for token in tokenizer.all_special_tokens if _SPECIAL.fullmatch(token)}
    return {code: tokenizer.convert_tokens_to_ids(token) for code, token in tokens.items()}

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from cl2cm_plugin.errors import UserError
from trainer.translation import find_translator
from trainer.translation.seq2seq import Seq2SeqTranslator

WORDS = ["a", "red", "blue", "dog", "cat", "runs", "ein", "hund"]
SENTENCES = ["a red dog", "dog", "", "a blue cat runs", "cat", "a a a a a a red"]
LANGUAGES = ["eng_Latn", "deu_Latn", "fra_Latn"]


def save_model(folder: Path, tokenizer: Any) -> str:
    """A random model of M2M100's kind: two layers, eight wide."""
    from transformers import M2M100Config, M2M100ForConditionalGeneration

    torch.manual_seed(7)
    config = M2M100Config(
        vocab_size=len(tokenizer),
        d_model=8,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=8,
        decoder_ffn_dim=8,
        max_position_embeddings=64,
        init_std=1.0,
    )
    M2M100ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def vocabulary(*more: str) -> dict[str, int]:
    return {token: number for number, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *WORDS, *more])}


def word_tokenizer(*more: str, **options: Any) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(vocabulary(*more), unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    special = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=40, **special, **options)


@pytest.fixture(scope="module")
def one_pair(tmp_path_factory) -> str:
    return save_model(tmp_path_factory.mktemp("models") / "one-pair", word_tokenizer())


@pytest.fixture(scope="module")
def many_languages(tmp_path_factory) -> str:
    from transformers import NllbTokenizer

    letters = {f"\u2581{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"} | set("abcdefghijklmnopqrstuvwxyz\u2581")
    tokenizer = NllbTokenizer(vocab=vocabulary(*sorted(letters - set(WORDS))), extra_special_tokens=LANGUAGES)
    return save_model(tmp_path_factory.mktemp("models") / "nllb", tokenizer)


def recorded(translator: Seq2SeqTranslator, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the model is asked to generate from; it answers with its own input."""
    calls: list[dict[str, Any]] = []

    def generate(**inputs: Any) -> torch.Tensor:
        calls.append(inputs)
        return inputs["input_ids"]

    monkeypatch.setattr(translator._model, "generate", generate)
    return calls


def test_as_many_translations_come_back_in_order_whatever_the_batches(one_pair):
    together = Seq2SeqTranslator(one_pair, "en", "de", batch_size=4, device="cpu").translate(SENTENCES)
    alone = Seq2SeqTranslator(one_pair, "en", "de", batch_size=1, device="cpu").translate(SENTENCES)

    # A random model never ends a sentence, so where it ends is left to the batch's limit; how it begins is not.
    assert [text[:30] for text in together] == [text[:30] for text in alone]
    assert together[2] == ""
    assert len(set(together)) > 2


def test_a_model_that_repeats_its_input_gives_every_sentence_back_in_its_place(one_pair, monkeypatch):
    translator = Seq2SeqTranslator(one_pair, "en", "de", batch_size=2, device="cpu")
    calls = recorded(translator, monkeypatch)

    assert translator.translate(SENTENCES) == SENTENCES
    # Batches of sentences of one length: the longest first.
    assert [tuple(call["input_ids"].shape) for call in calls] == [(2, 8), (2, 4), (1, 2)]


def test_a_sentence_too_long_for_the_model_is_cut_off(one_pair, monkeypatch):
    translator = Seq2SeqTranslator(one_pair, "en", "de", device="cpu")
    calls = recorded(translator, monkeypatch)
    translator.translate(["a " * 100])

    assert calls[0]["input_ids"].shape == (1, 40)


def test_the_model_of_several_languages_is_told_which(many_languages, monkeypatch):
    translator = Seq2SeqTranslator(many_languages, "en", "de", beams=3, device="cpu")
    calls = recorded(translator, monkeypatch)
    translator.translate(["a dog"])
    tokens = translator._tokenizer.convert_ids_to_tokens(calls[0]["input_ids"][0].tolist())

    assert "eng_Latn" in tokens
    assert translator._tokenizer.convert_ids_to_tokens(calls[0]["forced_bos_token_id"]) == "deu_Latn"
    assert calls[0]["num_beams"] == 3


def test_the_model_of_several_languages_generates_in_the_target_language(many_languages):
    translator = Seq2SeqTranslator(many_languages, "en", "fr", device="cpu")
    tokens = translator._tokenizer(["a dog"], return_tensors="pt")
    generated = translator._model.generate(**tokens, max_new_tokens=4, **translator._options)

    assert "fra_Latn" in translator._tokenizer.convert_ids_to_tokens(generated[0].tolist())


@pytest.mark.parametrize(("source", "target", "missing"), [("en", "eo", "eo"), ("ja", "de", "ja")])
def test_a_language_that_a_model_does_not_know_is_named(source, target, missing, many_languages):
    with pytest.raises(UserError, match=f"nllb does not know the language '{missing}'; it knows deu_Latn, eng_Latn"):
        Seq2SeqTranslator(many_languages, source, target)


@pytest.mark.parametrize("written", ["<2{}>", ">>{}<<"])
def test_a_model_that_reads_the_language_before_the_sentence_gets_it_there(written, tmp_path, monkeypatch):
    model = save_model(tmp_path / "prefixed", word_tokenizer(written.format("fr"), written.format("de")))
    translator = Seq2SeqTranslator(model, "en", "de", device="cpu")
    recorded(translator, monkeypatch)

    assert translator.translate(["a dog"]) == [f"{written.format('de')} a dog"]


def test_a_model_that_does_several_tasks_is_told_which(tmp_path, monkeypatch):
    folder = save_model(tmp_path / "tasks", word_tokenizer("translate:"))
    file = Path(folder) / "config.json"
    tasks = {"translation_en_to_de": {"prefix": "translate: "}, "summarization": {"prefix": "summarize: "}}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"task_specific_params": tasks}))
    translator = Seq2SeqTranslator(folder, "en", "de", device="cpu")
    recorded(translator, monkeypatch)

    assert translator.translate(["a dog"]) == ["translate: a dog"]
    with pytest.raises(UserError, match="tasks does not translate en to fr; it translates en to de"):
        Seq2SeqTranslator(folder, "en", "fr")


def test_a_model_of_another_pair_is_refused(tmp_path):
    tokenizer = word_tokenizer()
    tokenizer.init_kwargs["target_lang"] = "de"
    model = save_model(tmp_path / "en-de", tokenizer)

    with pytest.raises(UserError, match="en-de translates to 'de', not to 'fr'"):
        Seq2SeqTranslator(model, "en", "fr")


def test_a_translator_is_named_after_its_folder(one_pair, monkeypatch):
    monkeypatch.chdir(one_pair)

    assert find_translator("en", "de", one_pair).name == "one-pair"
    assert find_translator("en", "de", ".").name == "one-pair"


def test_a_folder_without_a_model_is_an_error(tmp_path):
    with pytest.raises(UserError, match="cannot be read as a Hugging Face sequence-to-sequence model"):
        find_translator("en", "de", str(tmp_path))

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from cl2cm_plugin.encoder import vocabulary
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
PIECES = [
    "\u2581hund",
    "\u2581dog",
    "\u2581\u0441",
    "\u043e",
    "\u2581犬",
    "か",
    "\u2581",
    "h",
    "u",
    "n",
    "d",
    "o",
    "g",
    "1",
    ".",
]


def save_bert(folder: Path, size: int, pad: int) -> None:
    from transformers import BertConfig, BertModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=size,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=32,
            pad_token_id=pad,
            initializer_range=0.5,
        )
        BertModel(config).save_pretrained(folder)


@pytest.fixture
def unigram(tmp_path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [(token, 0.0) for token in SPECIAL]
    pieces += [(piece, -2.0 if len(piece) > 2 else -6.0) for piece in PIECES] + [("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {
        "bos": "<s>",
        "eos": "</s>",
        "cls": "<s>",
        "sep": "</s>",
        "pad": "<pad>",
        "unk": "<unk>",
        "mask": "<mask>",
    }
    folder = tmp_path / "unigram"
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{f"{name}_token": token for name, token in names.items()}
    ).save_pretrained(folder)
    save_bert(folder, len(pieces), pad=1)
    return folder


@pytest.fixture
def word_piece(tmp_path) -> Path:
    from transformers import BertTokenizer

    words = ["собака", "[PAD]", "犬", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hund", "##e", "dog", "犬の", "##ка", "."]
    folder = tmp_path / "word-piece"
    BertTokenizer(vocab={word: index for index, word in enumerate(words)}).save_pretrained(folder)
    save_bert(folder, len(words), pad=1)
    return folder


def encode(folder: Path, text: str) -> tuple[list[str], np.ndarray]:
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    batch = tokenizer(text, return_tensors="pt")
    with torch.inference_mode():
        states = model(**batch).last_hidden_state[0]
    return tokenizer.convert_ids_to_tokens(batch["input_ids"][0]), states.numpy()


@pytest.mark.parametrize(
    ("language", "scripts"),
    [
        ("de", ["Latn"]),
        ("ja", ["Hani", "Hira", "Kana"]),
        ("ko", ["Hang", "Hani"]),
        ("fa", ["Arab"]),
        ("zh", ["Hani"]),
        ("ru", ["Cyrl"]),
    ],
)
def test_languages_name_their_scripts(language, scripts):
    assert vocabulary.scripts_of([language]) == scripts


def test_scripts_of_several_languages_are_put_together():
    assert vocabulary.scripts_of(["en", "ja", "de"]) == ["Hani", "Hira", "Kana", "Latn"]


@pytest.mark.parametrize("language", ["xx", "german", ""])
def test_an_unknown_language_is_an_error(language):
    with pytest.raises(UserError, match="Unknown language"):
        vocabulary.scripts_of([language])


def test_the_pieces_of_the_scripts_stay_with_digits_and_punctuation():
    assert vocabulary.pieces_in_scripts(PIECES, ["de"]) == {p for p in PIECES if not set(p) & set("\u0441\u043e犬か")}
    assert {"\u2581犬", "か", "1"} <= vocabulary.pieces_in_scripts(PIECES, ["ja"])
    assert "\u2581dog" not in vocabulary.pieces_in_scripts(PIECES, ["ru"])


def test_every_language_that_cldr_knows_has_scripts_that_pieces_can_be_matched_with():
    from babel.core import get_global

    languages = {code for code in get_global("likely_subtags") if code.isalpha() and code.islower() and len(code) == 2}
    assert len(languages) > 100
    for language in languages:
        assert "a" in vocabulary.pieces_in_scripts(["a", "."], [language, "en"])


def test_texts_that_keep_their_pieces_keep_their_vectors(unigram, tmp_path):
    kept = vocabulary.pieces_in_scripts(vocabulary.pieces_of(unigram), ["de"])
    count = vocabulary.cut(unigram, tmp_path / "cut", kept)

    assert count == 4 + 1 + len(PIECES) - 4
    for text in ("hund", "hund dog 1.", "gun"):
        (before, old), (after, new) = encode(unigram, text), encode(tmp_path / "cut", text)
        assert before == after
        np.testing.assert_array_equal(old, new)


def test_texts_in_a_script_that_was_cut_become_unknown(unigram, tmp_path):
    vocabulary.cut(unigram, tmp_path / "cut", vocabulary.pieces_in_scripts(PIECES, ["de"]))

    assert "<unk>" in encode(tmp_path / "cut", "犬")[0]


def test_special_tokens_move_with_their_rows(unigram, tmp_path):
    from transformers import AutoConfig, AutoTokenizer

    vocabulary.cut(unigram, tmp_path / "cut", {"\u2581dog"})
    tokenizer, config = AutoTokenizer.from_pretrained(tmp_path / "cut"), AutoConfig.from_pretrained(tmp_path / "cut")

    assert len(tokenizer) == config.vocab_size == 6
    assert (tokenizer.mask_token_id, tokenizer.pad_token_id, config.pad_token_id) == (5, 1, 1)
    assert tokenizer("dog")["input_ids"] == [0, 4, 2]


def test_the_corpus_mode_keeps_the_segmentation_of_the_corpus(unigram, tmp_path):
    from transformers import AutoTokenizer

    tokenize = AutoTokenizer.from_pretrained(unigram).tokenize
    kept = vocabulary.pieces_in_texts(vocabulary.pieces_of(unigram), ["en"], ["dog gud"], tokenize)
    assert "\u2581dog" in kept
    assert "\u2581hund" not in kept
    assert {"h", "n"} <= kept

    vocabulary.cut(unigram, tmp_path / "cut", kept)
    before, after = encode(unigram, "dog gud"), encode(tmp_path / "cut", "dog gud")
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])


def test_word_pieces_are_cut_alike_special_tokens_included(word_piece, tmp_path):
    kept = vocabulary.pieces_in_scripts(vocabulary.pieces_of(word_piece), ["de"])
    assert kept >= {"hund", "##e", "dog", "."}
    vocabulary.cut(word_piece, tmp_path / "cut", kept)

    for text in ("hund", "hunde dog."):
        (before, old), (after, new) = encode(word_piece, text), encode(tmp_path / "cut", text)
        assert (before[0], before[-1]) == ("[CLS]", "[SEP]")
        assert before == after
        np.testing.assert_array_equal(old, new)


def test_merged_pieces_cannot_be_cut(tmp_path):
    description = {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": []}
    (tmp_path / "tokenizer.json").write_text(json.dumps(description))

    with pytest.raises(UserError, match=r"BPE tokenizer cannot be cut.*`vocabulary: all`"):
        vocabulary.pieces_of(tmp_path)


def test_a_token_added_beyond_the_vocabulary_stays(unigram, tmp_path):
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(unigram)
    tokenizer.add_tokens(["<query>"], special_tokens=True)
    tokenizer.save_pretrained(unigram)
    model = AutoModel.from_pretrained(unigram)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(unigram)
    before, old = encode(unigram, "<query> dog")

    vocabulary.cut(unigram, tmp_path / "cut", vocabulary.pieces_in_scripts(vocabulary.pieces_of(unigram), ["de"]))

    after, new = encode(tmp_path / "cut", "<query> dog")
    assert before == after
    np.testing.assert_allclose(old, new, atol=1e-6)


@pytest.fixture
def german(unigram, tmp_path) -> Path:
    """The backbone, cut to German's script."""
    vocabulary.cut(unigram, tmp_path / "german", vocabulary.pieces_in_scripts(PIECES, ["de"]))
    return tmp_path / "german"


def test_appended_pieces_stand_behind_the_old_ones_with_the_backbones_rows(unigram, german, tmp_path):
    wanted = vocabulary.pieces_in_scripts(vocabulary.pieces_of(unigram), ["ja", "ru"])
    count = vocabulary.append(german, unigram, tmp_path / "grown", wanted)

    old, grown = vocabulary.pieces_of(german), vocabulary.pieces_of(tmp_path / "grown")
    assert count == 4
    assert grown[: len(old)] == old
    assert set(grown[len(old) :]) == {"\u2581\u0441", "\u043e", "\u2581犬", "か"}
    for text in ("犬 か", "\u0441\u043e", "hund 犬"):
        (before, wanted_states), (after, states) = encode(unigram, text), encode(tmp_path / "grown", text)
        assert before == after
        assert "<unk>" not in after
        np.testing.assert_array_equal(states, wanted_states)


def test_texts_without_new_pieces_keep_ids_and_vectors(unigram, german, tmp_path):
    from transformers import AutoTokenizer

    vocabulary.append(german, unigram, tmp_path / "grown", set(vocabulary.pieces_of(unigram)))

    for text in ("hund", "hund dog 1.", "gun"):
        ids = [AutoTokenizer.from_pretrained(folder)(text)["input_ids"] for folder in (german, tmp_path / "grown")]
        assert ids[0] == ids[1]
        np.testing.assert_array_equal(encode(german, text)[1], encode(tmp_path / "grown", text)[1])


def test_a_text_that_a_new_piece_splits_otherwise_is_counted(unigram, tmp_path):
    vocabulary.cut(unigram, tmp_path / "cut", set(PIECES) - {"\u2581dog"})
    vocabulary.append(tmp_path / "cut", unigram, tmp_path / "grown", {"\u2581dog"})
    folders = (tmp_path / "cut", tmp_path / "grown")

    assert vocabulary.resegmented(*folders, ["dog", "hund", "hund dog", "gun"]) == 2
    assert vocabulary.resegmented(*folders, []) == 0


def test_pieces_that_are_there_already_are_not_appended(unigram, german, tmp_path):
    assert vocabulary.append(german, unigram, tmp_path / "grown", {"\u2581hund", "<s>", "<mask>"}) == 0
    assert vocabulary.pieces_of(tmp_path / "grown") == vocabulary.pieces_of(german)


def test_word_pieces_are_appended_alike(word_piece, tmp_path):
    vocabulary.cut(
        word_piece, tmp_path / "cut", vocabulary.pieces_in_scripts(vocabulary.pieces_of(word_piece), ["de"])
    )
    wanted = vocabulary.pieces_in_scripts(vocabulary.pieces_of(word_piece), ["ru"])

    assert vocabulary.append(tmp_path / "cut", word_piece, tmp_path / "grown", wanted) == 2
    (before, states), (after, grown) = encode(word_piece, "собака."), encode(tmp_path / "grown", "собака.")
    assert before == after
    np.testing.assert_array_equal(grown, states)
    old = vocabulary.pieces_of(tmp_path / "cut")
    assert vocabulary.pieces_of(tmp_path / "grown")[: len(old)] == old


def test_a_token_added_beyond_the_vocabulary_keeps_its_id_when_pieces_follow(unigram, tmp_path):
    from transformers import AutoModel, AutoTokenizer

    vocabulary.cut(unigram, tmp_path / "cut", vocabulary.pieces_in_scripts(PIECES, ["de"]))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "cut")
    tokenizer.add_tokens(["<query>"], special_tokens=True)
    tokenizer.save_pretrained(tmp_path / "cut")
    model = AutoModel.from_pretrained(tmp_path / "cut")
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(tmp_path / "cut")
    vocabulary.append(tmp_path / "cut", unigram, tmp_path / "grown", {"\u2581犬"})

    grown = AutoTokenizer.from_pretrained(tmp_path / "grown")
    assert grown.convert_tokens_to_ids("<query>") == len(tokenizer) - 1
    assert grown.convert_tokens_to_ids("\u2581犬") == len(tokenizer)
    (before, old), (after, new) = (encode(tmp_path / name, "<query> dog") for name in ("cut", "grown"))
    assert before == after
    np.testing.assert_array_equal(old, new)


def test_pieces_of_another_kind_of_backbone_are_refused(unigram, word_piece, tmp_path):
    with pytest.raises(UserError, match="does not come from the backbone"):
        vocabulary.append(unigram, word_piece, tmp_path / "grown", {"собака"})

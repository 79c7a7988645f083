from __future__ import annotations

import pytest
from sentence_transformers import SentenceTransformer

from cl2cm_plugin.encoder import two_tower
from cl2cm_plugin.exported.tokens import TextTokens

TEXTS = ["a dog on the beach", "", "   ", "ein hund", "zzz 🐕 \x00", "a " * 200]


@pytest.fixture
def tokens(tiny_model_folder, tmp_path):
    transformer = two_tower.text_route(SentenceTransformer(str(tiny_model_folder), device="cpu"))[0]
    transformer.tokenizer.backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
    return TextTokens(tmp_path / "tokenizer.json", 32, transformer.tokenizer.pad_token_id), transformer


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_of_training(text, tokens):
    ours, transformer = tokens

    assert ours.ids(text) == transformer.tokenizer(text, truncation=True, max_length=32)["input_ids"]


def test_half_a_character_is_no_error(tokens):
    assert tokens[0].ids("a \ud83d dog") == tokens[0].ids("a ? dog")


def test_rows_of_a_batch_are_padded_and_masked(tokens):
    ids, mask = tokens[0].together([[5, 6, 7], [8]])

    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]

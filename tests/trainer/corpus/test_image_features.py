from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cl2cm_plugin.encoder import two_tower
from cl2cm_plugin.errors import UserError
from trainer.corpus.image_features import media_features
from trainer.towers import feature_cache


class FakeTower(torch.nn.Module):
    """Its features are a picture's mean colour; it counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.pictures = 0

    def __deepcopy__(self, _memo: object) -> FakeTower:
        """A copy would count for itself."""
        return self

    def preprocess(self, pictures: list[Image.Image]) -> dict[str, torch.Tensor]:
        self.pictures += len(pictures)
        return {"pixel_values": torch.stack([torch.tensor(np.asarray(p, np.float32)) for p in pictures])}

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"sentence_embedding": features["pixel_values"].mean(dim=(1, 2)) * self.weight}


def image_features(files: list[str], tower: torch.nn.Module, backbone: Path) -> np.ndarray:
    return np.concatenate(media_features(files, tower, backbone))


@pytest.fixture
def backbone(tmp_path) -> Path:
    folder = tmp_path / "backbone"
    folder.mkdir()
    (folder / "weights").write_text("1")
    return folder


@pytest.fixture
def pictures(tmp_path) -> list[str]:
    files = [tmp_path / f"{number}.png" for number in range(5)]
    for number, file in enumerate(files):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(file)
    return [str(file) for file in files]


def test_rows_come_in_the_order_of_the_files(pictures, backbone):
    features = image_features(pictures[::-1], FakeTower(), backbone)

    assert features[:, 0].tolist() == [4, 3, 2, 1, 0]
    assert features.dtype == np.float32


def test_a_picture_is_computed_once_even_under_another_name(pictures, backbone, tmp_path):
    tower = FakeTower()
    image_features(pictures, tower, backbone)
    renamed = str(Path(pictures[2]).rename(tmp_path / "renamed.png"))

    features = image_features([renamed, pictures[0], pictures[0]], tower, backbone)

    assert tower.pictures == 5
    assert features[:, 0].tolist() == [2, 0, 0]


def test_a_changed_picture_is_computed_anew(pictures, backbone):
    tower = FakeTower()
    image_features(pictures, tower, backbone)
    Image.new("RGB", (4, 4), (99, 0, 0)).save(pictures[1])

    assert image_features(pictures, tower, backbone)[1, 0] == 99
    assert tower.pictures == 6


def test_another_backbone_has_a_cache_of_its_own(pictures, backbone):
    tower = FakeTower()
    image_features(pictures, tower, backbone)
    (backbone / "weights").write_text("2")
    image_features(pictures, tower, backbone)

    assert tower.pictures == 10


def test_what_a_killed_run_had_written_is_not_computed_again(pictures, backbone, cache, monkeypatch):
    monkeypatch.setattr("trainer.corpus.image_features._BATCH", 2)
    monkeypatch.setattr(feature_cache, "_ROWS_A_FILE", 2)
    dying, tower = FakeTower(), FakeTower()
    preprocess = dying.preprocess

    def die_at_the_third_batch(batch: list[Image.Image]) -> dict[str, torch.Tensor]:
        if dying.pictures == 4:
            raise KeyboardInterrupt
        return preprocess(batch)

    dying.preprocess = die_at_the_third_batch
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        image_features(pictures, dying, backbone)
    next(cache.rglob("*.safetensors")).with_name(".half.tmp").write_bytes(b"half a file")

    features = image_features(pictures, tower, backbone)

    assert tower.pictures == 1
    assert features[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_a_file_that_is_no_picture_is_named(pictures, backbone):
    Path(pictures[3]).write_text("no picture")

    with pytest.raises(UserError, match=r"3\.png"):
        image_features(pictures, FakeTower(), backbone)


def test_the_features_of_a_picture_are_the_mean_of_its_regions(pictures, image_backbone):
    tower = two_tower.image_transformer(image_backbone).eval()
    whole = image_features(pictures, tower, image_backbone)
    regions = media_features(pictures, tower, image_backbone, regions=True)
    again = media_features(pictures[:1], None, image_backbone, regions=True)

    assert {rows.shape for rows in regions} == {(1, 9, whole.shape[1])}
    assert {rows.dtype for rows in regions} == {np.dtype(np.float16)}
    np.testing.assert_array_equal(again[0], regions[0])
    means = np.concatenate([rows.astype(np.float32).mean(axis=1) for rows in regions])
    # Nearly: the map of this tower cannot be cut in three, so regions overlap.
    assert np.corrcoef(means.ravel(), whole.ravel())[0, 1] > 0.99


def test_a_tower_without_a_map_has_no_regions(pictures, image_backbone, monkeypatch):
    tower = two_tower.image_transformer(image_backbone).eval()
    forward = tower.model.forward

    def pooled_elsewhere(**inputs: torch.Tensor) -> object:
        output = forward(**inputs)
        output.pooler_output = output.pooler_output + 1
        return output

    monkeypatch.setattr(tower.model, "forward", pooled_elsewhere)
    with pytest.raises(UserError, match="set region_dropout to 0"):
        media_features(pictures, tower, image_backbone, regions=True)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer import corpus
from trainer.corpus.clip_files import write_clip
from trainer.corpus.image_features import media_features
from trainer.corpus.media import frame_rows, open_media

pytest.importorskip("av")

RED, LEVELS = 200, list(range(0, 160, 10))


class FakeTower(torch.nn.Module):
    """Its features are the mean colour; it remembers how many pictures it was given at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.batches: list[int] = []

    def __deepcopy__(self, _memo: object) -> FakeTower:
        """A copy would remember for itself."""
        return self

    def preprocess(self, pictures: list[Image.Image]) -> dict[str, torch.Tensor]:
        self.batches.append(len(pictures))
        return {"pixel_values": torch.stack([torch.tensor(np.asarray(p, np.float32)) for p in pictures])}

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"sentence_embedding": features["pixel_values"].mean(dim=(1, 2)) * self.weight}


@pytest.fixture
def backbone(tmp_path) -> Path:
    (tmp_path / "backbone").mkdir()
    (tmp_path / "backbone" / "weights").write_text("1")
    return tmp_path / "backbone"


@pytest.fixture
def picture(tmp_path) -> str:
    Image.new("RGB", (16, 16), (RED, 0, 0)).save(tmp_path / "picture.png")
    return str(tmp_path / "picture.png")


@pytest.fixture
def clip(tmp_path) -> str:
    """Sixteen frames that become brighter."""
    write_clip([Image.new("RGB", (16, 16), (level,) * 3) for level in LEVELS], tmp_path / "clip.mp4")
    return str(tmp_path / "clip.mp4")


def test_a_picture_opens_as_one_frame_and_a_clip_as_several(picture, clip):
    assert [len(open_media(file, 4)) for file in (picture, clip)] == [1, 4]
    assert len(open_media(clip)) == 8


def test_features_of_a_clip_have_a_row_a_frame_in_order_and_those_of_a_picture_one(picture, clip, backbone):
    of_clip, of_picture = media_features([clip, picture], FakeTower(), backbone, frames=4)

    assert (of_clip.shape, of_picture.shape) == ((4, 3), (1, 3))
    assert (of_clip.dtype, of_picture.dtype) == (np.float32, np.float32)
    assert of_clip[:, 0] == pytest.approx(LEVELS[2::4], abs=4)
    assert of_picture[0].tolist() == [RED, 0, 0]


def test_features_of_a_clip_are_computed_once_for_a_number_of_frames(clip, backbone, tmp_path):
    tower = FakeTower()
    first = media_features([clip], tower, backbone)
    renamed = str(Path(clip).rename(tmp_path / "renamed.mp4"))

    again = media_features([renamed, renamed], tower, backbone)
    fewer = media_features([renamed], tower, backbone, frames=4)

    assert tower.batches == [8, 4]
    assert [len(rows) for rows in (*again, *fewer)] == [8, 8, 4]
    np.testing.assert_array_equal(again[0], first[0])


def test_pictures_have_the_same_features_alone_and_among_clips(picture, clip, backbone):
    tower = FakeTower()
    (alone,) = media_features([picture], tower, backbone)

    among = media_features([clip, picture], tower, backbone)

    assert tower.batches == [1, 8]
    np.testing.assert_array_equal(among[1], alone)


def test_frames_are_computed_in_small_batches_that_split_no_clip(picture, clip, tmp_path):
    files = [picture, clip, *(str(tmp_path / f"{name}.mp4") for name in "ab")]
    for file in files[2:]:
        Path(file).write_bytes(Path(clip).read_bytes())
    batches = []

    def compute(pictures: list[Image.Image]) -> np.ndarray:
        batches.append(len(pictures))
        return np.arange(len(pictures))[:, None]

    rows = {file: part for some in frame_rows(files, compute, "", at_once=4, frames=3) for file, part in some.items()}

    assert batches == [4, 6]
    assert [rows[file].ravel().tolist() for file in files] == [[0], [1, 2, 3], [0, 1, 2], [3, 4, 5]]


def test_a_corpus_holds_clips_next_to_pictures(colours, clip):
    Path(clip).rename(colours / "media" / "brightening.mp4")

    read = corpus.read(colours)

    assert read.files()["brightening"].endswith("brightening.mp4")
    assert {"brightening", "red"} <= set(read.media_ids())

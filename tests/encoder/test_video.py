from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cl2cm_plugin.encoder.video import encode_video, is_video, pool_frames, read_frames
from cl2cm_plugin.errors import UserError

av = pytest.importorskip("av")

SIZE = (64, 48)
# What compression does to a grey value at most.
TOLERANCE = 4


def write(
    file: Path,
    pictures: list[Image.Image],
    rate: int = 8,
    codec: str = "libx264",
    rotation: int = 0,
    keyframe_every: int = 250,
) -> Path:
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = keyframe_every
        if rotation:
            stream.set_display_rotation(rotation)
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return file


def brightening(count: int) -> list[Image.Image]:
    """Frames whose grey value says which of them it is."""
    return [Image.new("RGB", SIZE, (level,) * 3) for level in levels(count)]


def levels(count: int) -> list[int]:
    return [round(255 * number / max(count - 1, 1)) for number in range(count)]


def seen(frames: list[Image.Image]) -> list[int]:
    return [frame.getpixel((32, 24))[1] for frame in frames]


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".webm", "libvpx-vp9"), (".avi", "mpeg4")])
def test_frames_come_from_the_middle_of_equal_parts_in_the_order_of_time(suffix, codec, tmp_path):
    frames = read_frames(write(tmp_path / f"clip{suffix}", brightening(40), codec=codec))

    assert seen(frames) == pytest.approx(levels(40)[2::5], abs=TOLERANCE)
    assert {(frame.mode, frame.size) for frame in frames} == {("RGB", SIZE)}


@pytest.mark.parametrize("count", [1, 3, 8])
def test_a_clip_of_fewer_frames_gives_each_of_them_once(count, tmp_path):
    frames = read_frames(write(tmp_path / "clip.mp4", brightening(count)), count=8)

    assert seen(frames) == pytest.approx(levels(count), abs=TOLERANCE)


def test_one_frame_of_a_clip_is_the_one_in_the_middle(tmp_path):
    frames = read_frames(write(tmp_path / "clip.mp4", brightening(21)), count=1)

    assert seen(frames) == pytest.approx([levels(21)[10]], abs=TOLERANCE)


def test_of_a_long_clip_only_what_is_near_the_wanted_frames_is_decoded(tmp_path):
    file = write(tmp_path / "clip.mp4", brightening(200), rate=1, keyframe_every=10)
    decoded: list[tuple[int, int]] = []

    frames = read_frames(file, count=4, check=lambda *size: decoded.append(size))

    assert seen(frames) == pytest.approx(levels(200)[25::50], abs=TOLERANCE)
    assert len(decoded) < 60


def test_a_clip_that_does_not_say_how_long_it_is_is_read_evenly_all_the_same(tmp_path):
    file = tmp_path / "recorded.webm"
    with av.open(str(file), "w", options={"live": "1"}) as container:
        stream = container.add_stream("libvpx", rate=8)
        stream.width, stream.height = SIZE
        for picture in brightening(16):
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    with av.open(str(file)) as container:
        assert container.duration is None

    assert seen(read_frames(file)) == pytest.approx(levels(16)[1::2], abs=TOLERANCE)


@pytest.mark.parametrize(("rotation", "red_at"), [(90, (2, 32)), (-90, (45, 32)), (180, (32, 45))])
def test_a_clip_that_was_recorded_sideways_is_turned_upright(rotation, red_at, tmp_path):
    picture = Image.new("RGB", SIZE)
    picture.paste("red", (0, 0, 64, 8))

    frame = read_frames(write(tmp_path / "clip.mp4", [picture] * 2, rotation=rotation))[0]

    assert frame.size == (SIZE if rotation == 180 else SIZE[::-1])
    assert frame.getpixel(red_at)[0] > 200
    assert frame.getpixel((frame.width // 2, frame.height // 2))[0] < 50


def playlist(folder: Path) -> bytes:
    write(folder / "other.mp4", brightening(2))
    return b"ffconcat version 1.0\nfile other.mp4\n"


@pytest.mark.parametrize(
    "content",
    [
        lambda _: b"",
        lambda _: b"not a clip",
        playlist,
        lambda f: write(f / "w.mp4", brightening(9)).read_bytes()[:900],
    ],
    ids=["empty", "text", "playlist", "cut off"],
)
def test_a_damaged_clip_is_named_with_the_cause(content, tmp_path):
    file = tmp_path / "bad.mp4"
    file.write_bytes(content(tmp_path))

    with pytest.raises(UserError, match=r"bad\.mp4 cannot be read \(Invalid "):
        read_frames(file)


def test_a_missing_clip_is_named(tmp_path):
    with pytest.raises(UserError, match=r"There is no clip .*gone\.mp4"):
        read_frames(tmp_path / "gone.mp4")


def test_a_file_with_sound_alone_is_no_clip(sound_alone):
    with pytest.raises(UserError, match=r"sound\.mp4 holds no video"):
        read_frames(sound_alone)


def test_no_frames_cannot_be_asked_for(tmp_path):
    with pytest.raises(UserError, match=r"0 frames of .* are wanted"):
        read_frames(tmp_path / "clip.mp4", 0)


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    file = write(tmp_path / "clip.mp4", brightening(2))
    monkeypatch.setitem(sys.modules, "av", None)

    with pytest.raises(UserError, match=r"pip install 'cl2cm-plugin\[video\]'"):
        read_frames(file)


def test_clips_are_told_by_their_suffix_and_a_gif_is_a_picture():
    assert all(
        is_video(Path(f"a/clip{suffix}")) for suffix in (".mp4", ".webm", ".mov", ".mkv", ".avi", ".m4v", ".MP4")
    )
    assert not any(is_video(Path(name)) for name in ("a.gif", "a.png", "mp4", "a.mp4.txt"))


def test_pooling_is_the_identity_for_one_frame_and_the_middle_of_several():
    first, second = np.eye(3, dtype=np.float32)[:2]

    np.testing.assert_allclose(pool_frames(first[None]), first)
    np.testing.assert_allclose(pool_frames(np.stack([first, second])), (first + second) / np.sqrt(2), rtol=1e-6)
    assert pool_frames(first[None]).dtype == np.float32


def test_frames_that_cancel_out_stay_finite_and_no_frames_are_refused():
    assert pool_frames(np.array([[1.0, 0.0], [-1.0, 0.0]])).tolist() == [0, 0]
    with pytest.raises(ValueError, match="one frame or more"):
        pool_frames(np.zeros((0, 3)))


def test_a_clip_is_encoded_as_the_pool_of_its_frames(tiny_model_folder, tmp_path):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(tiny_model_folder), device="cpu")
    file = write(tmp_path / "clip.mp4", brightening(16))

    vector = encode_video(model, file, frames=4)

    assert vector.shape == (8,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(vector, pool_frames(model.encode(read_frames(file, 4))), atol=1e-6)


def test_reading_clips_needs_neither_torch_nor_pyav_before_a_clip_is_read(child, tmp_path):
    heavy = {"torch", "av", "datasets", "lightning"}
    child(f"import sys, cl2cm_plugin.encoder.video\nassert not {heavy} & set(sys.modules)", tmp_path)

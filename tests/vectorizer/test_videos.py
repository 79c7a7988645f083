"""vectorizer.video: videos become frames within limits, and one vector in batches that are not too large."""

from __future__ import annotations

import base64
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from cl2cm_plugin.encoder.video import pool_frames, read_frames
from cl2cm_plugin.vectorizer import video as videos
from cl2cm_plugin.vectorizer.engines import EngineError
from cl2cm_plugin.vectorizer.media import MediaError, PixelBudget
from cl2cm_plugin.vectorizer.settings import Settings
from cl2cm_plugin.vectorizer.video import Frames, VideoReader, encode_videos

from .conftest import as_it_is, film, image_vector, wait_until

av = pytest.importorskip("av")
FRAME = 32 * 24


def reader(budget=None, **settings):
    settings = Settings(**settings)
    return VideoReader(settings, budget or PixelBudget(settings.max_decoded_pixels), as_it_is)


@pytest.fixture
def nothing_decoded(monkeypatch):
    monkeypatch.setattr(videos, "read_frames", lambda *_: pytest.fail("decoded"))


def content_of(file):
    return base64.b64encode(file.read_bytes()).decode()


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".webm", "libvpx-vp9"), (".avi", "mpeg4")])
@pytest.mark.parametrize("count", [1, 8])
def test_serving_sees_the_frames_that_training_sees(tmp_path, suffix, codec, count):
    file = film(tmp_path / f"video{suffix}", codec=codec)
    served = reader(frames_per_video=count)(content_of(file)).images
    assert [image.tobytes() for image in served] == [image.tobytes() for image in read_frames(file, count)]
    assert len(served) == count


def test_data_prefix_and_white_space_are_forgiven(video):
    wrapped = "data:video/mp4;base64," + "\n".join(video.base64[i : i + 76] for i in range(0, len(video.base64), 76))
    assert [image.tobytes() for image in reader()(wrapped).images] == [image.tobytes() for image in video.frames]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "this video is empty; send the video file's bytes in base64"),
        ("http://127.0.0.1:1/a.mp4", "this is an address, and addresses are never opened"),
        ("file:///etc/passwd", "this is an address, and addresses are never opened"),
        ("/videos/dog.mp4", "this is a file path, and files are never opened"),
        ("videos/dog", "this is not a video in a known format"),
        ("ein Hund!", "this is not base64; send the video file's bytes in base64"),
        (base64.b64encode(b"no video").decode(), "this is not a video in a known format"),
    ],
)
def test_what_is_no_video_is_refused_with_a_reason(content, sentence):
    with pytest.raises(MediaError, match=sentence):
        reader()(content)


@pytest.mark.parametrize(
    "playlist",
    ["ffconcat version 1.0\nfile {}\n", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{}\n#EXT-X-ENDLIST\n"],
    ids=["concat", "hls"],
)
def test_a_playlist_never_opens_what_it_names(tmp_path, playlist, nothing_decoded):
    file = film(tmp_path / "video.mp4")
    with pytest.raises(MediaError, match="not a video in a known format"):
        reader()(base64.b64encode(playlist.format(file).encode()).decode())


def test_a_picture_is_no_video(tmp_path, nothing_decoded):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.gif")
    with pytest.raises(MediaError, match="not a video in a known format"):
        reader()(content_of(tmp_path / "a.gif"))


@pytest.mark.parametrize("kept", [0.02, 0.5])
def test_a_video_that_was_cut_off_is_refused_without_our_paths(tmp_path, kept):
    data = film(tmp_path / "video.mp4").read_bytes()
    with pytest.raises(MediaError, match="damaged") as refused:
        reader()(base64.b64encode(data[: int(len(data) * kept)]).decode())
    assert "/" not in str(refused.value)


def test_sound_alone_is_no_video(sound_alone):
    with pytest.raises(MediaError, match="holds no pictures"):
        reader()(content_of(sound_alone))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"max_video_seconds": 2.0}, "this video lasts 2 s; at most 2 are read: shorten it"),
        ({"max_video_frames": 19}, "this video has more than the 19 frames that are read: shorten it"),
        ({"max_pixels": FRAME - 1}, "frames of 32 x 24 pixels; at most 767 are read: scale it down"),
        ({"max_decoded_pixels": 8 * FRAME - 1}, "frames of 32 x 24 pixels; at most 767 are read: scale it down"),
    ],
)
def test_a_video_over_a_limit_is_refused_before_a_frame_is_decoded(video, settings, sentence, nothing_decoded):
    with pytest.raises(MediaError, match=sentence):
        reader(**settings)(video.base64)


def test_a_video_that_takes_too_long_to_decode_is_refused(video):
    with pytest.raises(MediaError, match=r"takes longer than 1e-06 s to decode: shorten it"):
        reader(max_decode_seconds=1e-6)(video.base64)


def test_frames_that_grow_on_the_way_are_refused(video, monkeypatch):
    monkeypatch.setattr(videos, "_measured", lambda *_: (8, 8, 20, 2.5))

    with pytest.raises(MediaError, match="frames of 32 x 24 pixels; at most 64 are read"):
        reader(max_pixels=64)(video.base64)


def test_a_video_at_its_limits_is_read(video):
    limits = {"max_video_seconds": 2.5, "max_video_frames": 20, "max_pixels": FRAME, "max_decoded_pixels": 8 * FRAME}
    assert len(reader(**limits)(video.base64).images) == 8


def test_without_pyav_the_extra_is_named(video, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MediaError, match=r"run pip install 'cl2cm-plugin\[video\]' beside it"):
        reader()(video.base64)


def test_nothing_is_left_on_the_disk(video, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reader()(video.base64)
    assert not list(tmp_path.iterdir())


def test_decoding_pauses_until_earlier_frames_are_gone_and_failures_give_their_room_back(video, monkeypatch):
    budget = PixelBudget(8 * FRAME)
    read = reader(budget, max_decoded_pixels=8 * FRAME)
    with monkeypatch.context() as patch:
        patch.setattr(videos, "read_frames", lambda *_: [][0])
        with pytest.raises(IndexError):
            read(video.base64)
    first = read(video.base64)
    second: list[Frames] = []
    thread = threading.Thread(target=lambda: second.append(read(video.base64)), daemon=True)
    thread.start()
    thread.join(0.3)
    assert not second
    del first
    gc.collect()
    thread.join(5)
    assert second


def test_videos_of_unlike_length_are_encoded_in_one_call_and_pooled_apart():
    calls = []

    def encode(images):
        calls.append(len(images))
        return np.stack([image_vector(image) for image in images])

    pictures = [Image.new("RGB", (4, 4), (level, 0, 0)) for level in range(6)]
    vectors = encode_videos(encode, [Frames(pictures[:1]), Frames(pictures[1:4]), Frames(pictures[4:])])
    expected = [encode(pictures[start:end]) for start, end in ((0, 1), (1, 4), (4, 6))]
    assert calls[0] == 6
    np.testing.assert_allclose(vectors, [pool_frames(frames) for frames in expected], atol=1e-6)
    assert vectors.dtype == np.float32


def test_frames_that_cancel_out_have_no_vector():
    opposite = iter([[1.0, 0.0], [-1.0, 0.0]])
    with pytest.raises(EngineError, match="no usable vector"):
        encode_videos(
            lambda images: np.array([next(opposite) for _ in images]), [Frames([Image.new("1", (1, 1))] * 2)]
        )


def test_the_engine_sees_no_more_frames_at_once_than_pictures(serve, engine, tmp_path):
    bodies = [
        {"texts": ["what occupies the engine"]},
        {"video": [content_of(film(tmp_path / f"{level}.mp4", [level] * 4)) for level in range(0, 250, 50)]},
    ]
    with serve(max_batch_pictures=8, frames_per_video=4) as client, ThreadPoolExecutor(2) as pool:
        batcher = client.app.state.models.usual._batcher
        engine.gate.clear()
        answers = [pool.submit(client.post, "/vectorize", json=bodies[0])]
        wait_until(lambda: batcher._in_flight and not batcher._queues["text"].jobs)
        answers.append(pool.submit(client.post, "/vectorize", json=bodies[1]))
        wait_until(lambda: len(batcher._queues["video"].jobs) == 5)
        engine.gate.set()
        assert [answer.result().status_code for answer in answers] == [200, 200]
    assert [len(batch) for batch in engine.batches] == [1, 8, 8, 4]


def test_too_long_a_file_is_refused_before_it_is_decoded(serve, video):
    with serve(max_video_bytes=1000) as client:
        response = client.post("/vectorize", json={"video": [video.base64]})
    assert response.status_code == 413
    assert response.json()["error"].startswith("video[0]: this video has 0.0 MiB; at most 0.0 are taken: shorten it")

"""Videos as they come in requests: base64 text to frames within limits, and one vector of the frames' vectors."""

from __future__ import annotations

import io
import itertools
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cl2cm_plugin.encoder.video import open_clip, pool_frames, read_frames
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.engines import checked
from cl2cm_plugin.vectorizer.media import MediaError, decode_base64, not_content, pixels_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from cl2cm_plugin.vectorizer.engines import PreparedImage
    from cl2cm_plugin.vectorizer.media import PixelBudget
    from cl2cm_plugin.vectorizer.settings import Settings

_UNUSABLE = "this is not a video in a known format (AVI, MKV, MOV, MP4, WebM), or it is damaged; send another"


@dataclass(frozen=True, eq=False)
class Frames:
    """What stands for a video.

    Attributes:
        images: Its frames as the engine takes pictures, in the order of time; one or more.
    """

    images: list[PreparedImage]


class VideoReader:
    """Turns base64 text into frames that an engine takes. Safe to call from several threads.

    Args:
        settings: The limits.
        budget: Room for decoded pixels; a call waits for it.
        prepare: What the engine does to a decoded picture: `cl2cm_plugin.vectorizer.engines.Engine.prepare_image`.
    """

    def __init__(
        self, settings: Settings, budget: PixelBudget, prepare: Callable[[Image.Image], PreparedImage]
    ) -> None:
        self._settings = settings
        self._budget = budget
        self._prepare = prepare
        self._max_pixels = min(settings.max_pixels, settings.max_decoded_pixels // settings.frames_per_video)

    def __call__(self, content: str) -> Frames:
        """Decode the frames that stand for one video.

        Args:
            content: A video file in base64; a ``data:`` prefix and white space are allowed. Nothing else is ever
                opened: addresses and file paths are refused.

        Returns:
            Frames, as `cl2cm_plugin.encoder.video.read_frames` samples them.

        Raises:
            MediaError: It is no base64, no usable video or over a limit, or videos cannot be read here.
        """
        data = decode_base64(content, "video")
        try:
            pixels = self._check(data) * self._settings.frames_per_video
        except MediaError as error:
            raise MediaError(not_content(content, "video") or str(error)) from None
        with self._budget.room(pixels) as room:
            frames = Frames([self._prepare(image) for image in self._frames(data)])
            return room.keep(frames, sum(map(pixels_of, frames.images)))

    def _frames(self, data: bytes) -> list[Image.Image]:
        with tempfile.NamedTemporaryFile(prefix="cl2cm-") as file:
            file.write(data)
            file.flush()
            try:
                return read_frames(Path(file.name), self._settings.frames_per_video, self._check_while_decoding())
            except UserError:
                raise MediaError(_UNUSABLE) from None

    def _check_while_decoding(self) -> Callable[[int, int], None]:
        """Make what checks every frame: packets do not say how long decoding takes, nor that frames will grow."""
        most_seconds = self._settings.max_decode_seconds
        deadline = time.monotonic() + most_seconds

        def check(width: int, height: int) -> None:
            self._check_frame(width, height)
            if time.monotonic() > deadline:
                raise MediaError(
                    f"this video takes longer than {most_seconds:g} s to decode: shorten it, scale it down, or store "
                    "it with more keyframes"
                )

        return check

    def _check_frame(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise MediaError(
                f"this video has frames of {width} x {height} pixels; at most {self._max_pixels} are read: "
                "scale it down"
            )

    def _check(self, data: bytes) -> int:
        """Check the limits without decoding a frame, and return how many pixels a frame has."""
        most_frames, most_seconds = self._settings.max_video_frames, self._settings.max_video_seconds
        width, height, frames, seconds = _measured(data, most_frames)
        if not frames or not width * height:
            raise MediaError(_UNUSABLE)
        self._check_frame(width, height)
        if frames > most_frames:
            raise MediaError(f"this video has more than the {most_frames} frames that are read: shorten it")
        if seconds > most_seconds:
            raise MediaError(f"this video lasts {seconds:.0f} s; at most {most_seconds:g} are read: shorten it")
        return width * height


def _measured(data: bytes, most_frames: int) -> tuple[int, int, int, float]:
    """Measure a video by its packets, since its header may not say how long it is, or say it wrong.

    Returns:
        Width and height in pixels; how many frames there are, or some number above the most; how many seconds the
        counted ones last.
    """
    av = _pyav()
    try:
        with open_clip(io.BytesIO(data)) as container:
            if not container.streams.video:
                raise MediaError("this video holds no pictures, only sound or subtitles; leave it out")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise MediaError(_UNUSABLE)
            packets = itertools.islice(container.demux(stream), most_frames + 1)
            times = [packet.dts if packet.pts is None else packet.pts for packet in packets if packet.size]
    except av.FFmpegError:
        raise MediaError(_UNUSABLE) from None
    known = [time for time in times if time is not None]
    seconds = (max(known, default=0) - min(known, default=0)) * float(stream.time_base or 0)
    return stream.codec_context.width, stream.codec_context.height, len(times), seconds


def encode_videos(encode_images: Callable[[list[PreparedImage]], np.ndarray], videos: list[Frames]) -> np.ndarray:
    """Encode videos as the engine encodes pictures.

    Args:
        encode_images: Turns prepared pictures into unit vectors, shape (pictures, dimensions).
        videos: Their frames.

    Returns:
        Unit vectors in the order of the videos, float32 of shape (videos, dimensions).

    Raises:
        EngineError: The frames of a video cancel one another out.
    """
    vectors = encode_images([image for video in videos for image in video.images])
    ends = np.cumsum([len(video.images) for video in videos])[:-1]
    return checked(np.stack([pool_frames(frames) for frames in np.split(vectors, ends)]))


def _pyav() -> Any:
    try:
        import av
    except ModuleNotFoundError:
        raise MediaError(
            "videos are read with PyAV, which this vectorizer lacks: run pip install 'cl2cm-plugin[video]' beside it"
        ) from None
    return av

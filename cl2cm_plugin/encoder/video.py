"""How a clip becomes frames, and the vectors of its frames one vector: the same way in training and in serving.

A clip is encoded as several pictures: frames sampled evenly over its duration go through the image tower one by one,
and the normalised mean of their unit vectors stands for the clip. So a model that was exported for texts and pictures
encodes clips as it is. The mean does not know the order of the frames. How many frames, and how they are pooled, is
our reading of what CL2CM does for VATEX.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from PIL import Image
    from sentence_transformers import SentenceTransformer

Check: TypeAlias = "Callable[[int, int], None]"

# A GIF is a picture here, as for `pictures.open_picture`, which takes its first frame.
SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
FRAMES = 8
# FFmpeg also reads playlists, and they name other files and addresses: a clip must not be one.
_CONTAINERS = "avi,matroska,webm,mov,mp4"
# Keyframes seldom lie further apart: below this, decoding on is cheaper than jumping back to the last one.
_JUMP_SECONDS = 10.0
_SMALLEST_NORM = 1e-12


def is_video(file: Path) -> bool:
    """Tell by its suffix whether a file is a clip (one of `SUFFIXES`, in upper or lower case)."""
    return file.suffix.lower() in SUFFIXES


def open_clip(clip: Path | BinaryIO) -> Any:
    """Open a clip in one of the formats that `SUFFIXES` stand for; what it names is never opened.

    Args:
        clip: A file, or a stream of its bytes.

    Returns:
        PyAV's container, a context manager.

    Raises:
        UserError: PyAV is not installed.
        av.FFmpegError: The clip is damaged, or in no such format.
    """
    # An absolute path has no scheme that FFmpeg could take for an address.
    source = str(clip.absolute()) if isinstance(clip, Path) else clip
    return _pyav().open(source, options={"format_whitelist": _CONTAINERS}, metadata_errors="ignore")


def _anything(_width: int, _height: int) -> None:
    pass


def read_frames(file: Path, count: int = FRAMES, check: Check = _anything) -> list[Image.Image]:
    """Read frames of a clip, sampled evenly over its duration.

    The duration is cut into ``count`` equal parts, and the frame shown in the middle of each is taken.

    Args:
        file: A clip; its content decides the format, which is one of those that `SUFFIXES` stand for.
        count: How many frames are wanted.
        check: Called with the width and height of every frame that is decoded, wanted or not; what it raises, other
            than a ``ValueError``, ends the reading.

    Returns:
        Pictures in mode ``RGB``, upright, in the order of time. A clip of fewer frames gives each of them once, where
        frames are of equal length.

    Raises:
        UserError: The clip is missing, damaged or holds no video, or PyAV is not installed.
    """
    if count < 1:
        raise UserError(f"{count} frames of {file} are wanted; ask for 1 or more.")
    if not file.is_file():
        raise UserError(f"There is no clip {file}.")
    av = _pyav()
    try:
        with open_clip(file) as container:
            if not container.streams.video:
                raise UserError(f"{file} holds no video, only sound or subtitles; leave it out.")
            frames = [_upright(frame) for frame in _sampled(container, count, check)]
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"The clip {file} cannot be read ({reason}): it is damaged, cut off or no clip. "
            "Replace it, or leave it out."
        ) from None
    if not frames:
        raise UserError(f"The clip {file} holds no frame that can be shown; replace it or leave it out.")
    return frames


def pool_frames(vectors: np.ndarray) -> np.ndarray:
    """Make one vector of a clip's frame vectors: their normalised mean.

    Args:
        vectors: Unit vectors, shape (frames, d), of one frame or more.

    Returns:
        A unit vector, shape (d,); that of a single frame is the frame's own.

    Raises:
        ValueError: There are no frames.
    """
    if vectors.ndim != 2 or not len(vectors):
        raise ValueError(f"frame vectors have the shape (frames, d) with one frame or more, not {vectors.shape}")
    mean = vectors.mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), _SMALLEST_NORM)


def encode_video(model: SentenceTransformer, file: Path, frames: int = FRAMES) -> np.ndarray:
    """Encode a clip by a model that encodes pictures.

    Args:
        model: Any model whose ``encode`` takes PIL images.
        file: A clip.
        frames: How many frames stand for it.

    Returns:
        A unit vector, shape (d,), float32.

    Raises:
        UserError: The clip cannot be read.
    """
    pictures = read_frames(file, frames)
    return pool_frames(model.encode(pictures, normalize_embeddings=True, show_progress_bar=False))


def _pyav() -> Any:
    try:
        import av
    except ModuleNotFoundError:
        raise UserError(
            "Clips are read with PyAV, which is not installed: pip install 'cl2cm-plugin[video]'"
        ) from None
    return av


def _sampled(container: Any, count: int, check: Check) -> Iterator[Any]:
    """Yield the frames shown at evenly spread moments, each once."""
    start, duration = _start_and_duration(container, check)
    moments = [start + duration * (part + 0.5) / count for part in range(count)]
    shown, last = None, None
    decoded = _decoded(container, check)
    upcoming = next(decoded, None)
    for moment in moments:
        if upcoming is not None and moment - upcoming.time > _JUMP_SECONDS:
            decoded = _jump(container, moment, check)
            upcoming = next(decoded, None)
        while upcoming is not None and (shown is None or upcoming.time <= moment):
            shown, upcoming = upcoming, next(decoded, None)
        if shown is not None and shown is not last:
            yield shown
            last = shown


def _start_and_duration(container: Any, check: Check) -> tuple[float, float]:
    """Find in seconds where the video begins and how long it lasts."""
    import av

    stream = container.streams.video[0]
    start = float((stream.start_time or 0) * stream.time_base)
    if stream.duration:
        return start, float(stream.duration * stream.time_base)
    if container.duration:
        return start, container.duration / av.time_base
    # What a browser records does not say how long it is: look where it ends.
    ends = (frame.time + float((frame.duration or 0) * frame.time_base) for frame in _decoded(container, check))
    end = max(ends, default=start)
    container.seek(0)
    return start, end - start


def _jump(container: Any, moment: float, check: Check) -> Iterator[Any]:
    """Go to the last keyframe before a moment, in seconds, and decode from there."""
    stream = container.streams.video[0]
    container.seek(int(moment / stream.time_base), stream=stream)
    return _decoded(container, check)


def _decoded(container: Any, check: Check) -> Iterator[Any]:
    for frame in container.decode(video=0):
        check(frame.width, frame.height)
        # A damaged clip can have frames that do not say when they are shown.
        if frame.time is not None:
            yield frame


def _upright(frame: Any) -> Image.Image:
    # The rotation says how far to turn counterclockwise for showing, as `rotate` takes it.
    picture = frame.to_image()
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture

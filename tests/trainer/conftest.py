"""Tiny random backbones, and a corpus of solid colours whose German captions nobody may look at."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tiny_training import write_corpus, write_image_backbone, write_text_backbone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Work this small is done long before several threads agree on who does it.
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test alone."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("CL2CM_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def text_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random three-layer BERT over the corpus's words. Do not change it."""
    folder = tmp_path_factory.mktemp("tiny-text")
    write_text_backbone(folder)
    return folder


@pytest.fixture(scope="session")
def image_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random EfficientNet of two stages, batch normalisation included. Do not change it."""
    folder = tmp_path_factory.mktemp("tiny-image")
    write_image_backbone(folder)
    return folder


class _Killed(BaseException):
    pass


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AbstractContextManager[None]]:
    """Kill training before an epoch of a stage: ``with killed(CrossModalNetwork, epoch=1): fit(...)``."""

    @contextmanager
    def kill(stage: Any, epoch: int = 1) -> Iterator[None]:
        go_on = stage.on_train_epoch_start

        def die(self: Any) -> None:
            if self.current_epoch == epoch:
                raise _Killed
            go_on(self)

        # Lightning ends the process on what it takes for a kill.
        with monkeypatch.context() as patch, pytest.raises((_Killed, SystemExit)):
            patch.setattr(stage, "on_train_epoch_start", die)
            yield

    return kill


@pytest.fixture(scope="session")
def write_tiny_image_backbone() -> Callable[[Path], None]:
    """What a converter does: write the tiny image backbone into an empty folder."""
    return write_image_backbone


@pytest.fixture(scope="session")
def model_of(text_backbone: Path, image_backbone: Path) -> Any:
    """Build a fresh two-tower model from the tiny backbones: ``model_of(dimensions)``."""
    import torch

    from cl2cm_plugin.encoder import two_tower

    def build(dimensions: int = 8) -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return two_tower.build(text_backbone, image_backbone, dimensions, max_tokens=32)

    return build


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A captioned-media folder of eight solid colours; its German captions hold a poison word."""
    return write_corpus(tmp_path / "colours")


@pytest.fixture
def doubt(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[tuple[str, str]], int], None]:
    """Make the untrained backbone see every pair's sides together but for the first ones: ``doubt(pairs, count)``."""
    import numpy as np

    def patch(pairs: list[tuple[str, str]], count: int) -> None:
        def vectors(_backbone: Path, _tokens: int, sentences: list[str]) -> np.ndarray:
            return np.stack([np.eye(len(pairs))[place[s]] * (-1 if s in apart else 1) for s in sentences])

        place = {sentence: number for number, pair in enumerate(pairs) for sentence in pair}
        apart = {target for _, target in pairs[:count]}
        monkeypatch.setattr("trainer.fit.untrained_vectors", vectors)

    return patch

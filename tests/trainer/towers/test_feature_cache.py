from __future__ import annotations

import time
from threading import Thread

import numpy as np
import pytest

from trainer.towers.feature_cache import FeatureCache


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CL2CM_CACHE", str(tmp_path))
    return tmp_path


def test_rows_are_there_again_after_a_flush():
    cache = FeatureCache("images", "key")
    cache.add({"a": np.arange(3.0), "b": np.ones((2, 4))})
    cache.flush()

    again = FeatureCache("images", "key").rows
    assert set(again) == {"a", "b"}
    assert again["a"].tolist() == [0, 1, 2]
    assert again["b"].shape == (2, 4)


def test_what_was_not_flushed_is_lost_and_nothing_else(cache_folder):
    cache = FeatureCache("images", "key")
    cache.add({"a": np.ones(2)})
    cache.flush()
    cache.add({"b": np.ones(2)})
    (cache_folder / "features" / "images-key" / ".half-written.tmp").write_bytes(b"x")

    assert set(FeatureCache("images", "key").rows) == {"a"}


def test_another_key_is_another_cache():
    cache = FeatureCache("images", "key")
    cache.add({"a": np.ones(2)})
    cache.flush()

    assert FeatureCache("images", "other").rows == {}
    assert FeatureCache("text", "key").rows == {}


def test_many_rows_reach_the_disk_by_themselves():
    cache = FeatureCache("images", "key")
    for number in range(600):
        cache.add({str(number): np.ones(2)})

    assert len(FeatureCache("images", "key").rows) == 512


def fill(cache: FeatureCache, computed: list[str]) -> None:
    with cache.filling(["a"]):
        if "a" not in cache.rows:
            computed.append("a")
            time.sleep(0.2)
            cache.add({"a": np.ones(2)})


def test_of_two_that_want_the_same_one_computes_it_and_the_other_waits():
    computed: list[str] = []
    # Both have looked before either begins.
    caches = [FeatureCache("images", "key") for _ in range(2)]
    threads = [Thread(target=fill, args=(cache, computed)) for cache in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert computed == ["a"]
    assert all(cache.rows["a"].tolist() == [1, 1] for cache in caches)


def test_who_wants_what_is_there_does_not_wait():
    cache = FeatureCache("images", "key")
    cache.add({"a": np.ones(2)})
    cache.flush()
    with cache.filling(["b"]):
        fill(FeatureCache("images", "key"), [])

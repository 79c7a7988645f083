"""Whether a collection holds every object once, each with its vectors."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from serving_parts.samples import SEED

from cl2cm_plugin.collections.importer import object_id
from cl2cm_plugin.collections.schema import PICTURE, PICTURE_AND_CAPTION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.progress import Progress
    from serving_parts.services import Service
    from weaviate.collections import Collection

    from importing_parts.archive import Archive

_TARGETS = (PICTURE, PICTURE_AND_CAPTION)
_PROPERTIES = ["file", "caption", "media_hash"]
_LOWEST_COSINE = 0.9999
_AT_RANDOM, _BEFORE, _AFTER = 200, 50, 150


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What.
        found: What was found.
        fine: Whether that is as it should be.
    """

    name: str
    found: str
    fine: bool


def findings(
    collection: Collection, archive: Archive, service: Service, places: Sequence[int], progress: Progress
) -> list[Finding]:
    """Look at all objects, and at some closely.

    Args:
        collection: That should hold the archive and nothing else.
        archive: What was imported.
        service: It computes vectors again.
        places: Numbers of objects at which the import was disturbed: those around them are looked at closely.
        progress: Shows how far it is.
    """
    dimensions = service.ask("/meta")["dimensions"]
    everything = list(collection.iterator(include_vector=True, return_properties=_PROPERTIES))
    times = Counter(str(one.properties["file"]) for one in everything)
    objects = {str(one.properties["file"]): one for one in everything}
    expected = archive.captions.keys()
    wrong = [file for file in expected & objects.keys() if not _is_as_imported(objects[file], archive, file)]
    bare = [file for file, one in objects.items() if not _has_vectors(one.vector, dimensions)]
    total = collection.aggregate.over_all(total_count=True).total_count
    close = sorted(_close(list(expected), places) & objects.keys())
    return [
        Finding("objects", f"{len(everything):,} of {len(expected):,}", len(everything) == len(expected)),
        Finding("as the server counts them", f"{total:,}", total == len(expected)),
        _none("more than once", [file for file, count in times.items() if count > 1]),
        _none("missing", expected - objects.keys()),
        _none("that do not belong there", objects.keys() - expected),
        _none("with another id, caption or hash", wrong),
        _none("without one of their two vectors", bare),
        *_looked_at_closely(collection, archive, service, {file: objects[file] for file in close}, progress),
    ]


def _none(name: str, files: Any) -> Finding:
    found = ", ".join(sorted(files)[:3])
    return Finding(f"objects {name}", f"{len(files):,}{': ' + found if found else ''}", not files)


def _is_as_imported(found: Any, archive: Archive, file: str) -> bool:
    digest = hashlib.sha256((archive.folder / file).read_bytes()).hexdigest()
    known = found.properties["caption"], found.properties["media_hash"], str(found.uuid)
    return known == (archive.captions[file], digest, str(object_id(file)))


def _has_vectors(vectors: Mapping[str, Any], dimensions: int) -> bool:
    arrays = [np.array(vectors.get(target, []), dtype=np.float64) for target in _TARGETS]
    return all(array.shape == (dimensions,) and 0 < float(array @ array) < np.inf for array in arrays)


def _close(files: list[str], places: Sequence[int]) -> set[str]:
    chosen = set(random.Random(SEED).sample(files, min(_AT_RANDOM, len(files))))
    for place in places:
        chosen |= set(files[max(0, place - _BEFORE) : place + _AFTER])
    return chosen


def _looked_at_closely(
    collection: Collection, archive: Archive, service: Service, objects: Mapping[str, Any], progress: Progress
) -> list[Finding]:
    cosines: dict[str, list[float]] = {target: [] for target in _TARGETS}
    lost: dict[str, list[str]] = {target: [] for target in _TARGETS}
    for file, one in progress.track(objects.items(), total=len(objects), description="comparing vectors"):
        again = _vectors(service, (archive.folder / file).read_bytes(), archive.captions[file])
        for target in _TARGETS:
            stored = np.array(one.vector[target], dtype=np.float64)
            cosines[target].append(float(_unit(stored) @ _unit(again[target])))
            nearest = collection.query.near_vector(one.vector[target], target_vector=target, limit=1).objects
            if [found.uuid for found in nearest] != [one.uuid]:
                lost[target].append(file)
    found = []
    for target in _TARGETS:
        lowest = min(cosines[target], default=float("nan"))
        name = f"{target}, computed again for {len(objects)} objects: lowest cosine"
        found.append(Finding(name, f"{lowest:.5f}", lowest >= _LOWEST_COSINE))
        found.append(_none(f"of these that their own {target} does not find", lost[target]))
    return found


def _vectors(service: Service, picture: bytes, caption: str) -> dict[str, np.ndarray]:
    """Compute an object's vectors as Weaviate does: with a caption it is the plain mean."""
    body = {"texts": [caption], "images": [base64.b64encode(picture).decode()]}
    answer = service.ask("/vectorize", json.dumps(body).encode())
    image, text = np.array(answer["imageVectors"][0]), np.array(answer["textVectors"][0])
    return {PICTURE: image, PICTURE_AND_CAPTION: (image + text) / 2}


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)

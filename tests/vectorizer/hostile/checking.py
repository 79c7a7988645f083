"""What must be true of every answer to a hostile request, and that a good one is answered after it."""

from __future__ import annotations

import base64
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..conftest import image_vector, text_vector
from .corpus import ANSWERED, Case
from .forms import forms_of
from .pictures import saved
from .service import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .service import Answer, Service

_PROBLEM = 400
_ENOUGH = 9
# Paths of this machine, and what Python and its libraries call things.
_OURS = [
    str(Path.cwd()),
    str(Path(__file__).parents[3]),
    sys.prefix,
    str(Path.home()) + "/",
    tempfile.gettempdir() + "/cl2cm",
]
_INTERNALS = re.compile(
    "|".join(map(re.escape, _OURS))
    + r"|Traceback|site-packages|\.py\b|0x[0-9a-f]{6,}|<class|<_io|NoneType|"
    + r"\b[A-Z]\w*(Error|Exception|Warning|Plugin)\b|has no attribute|object is not|list index|unpack|argument"
)


def check(case: Case, answer: Answer) -> None:
    """Check one answer."""
    assert answer.seconds < SECONDS / 2, f"{answer.seconds:.1f} s for {case}"
    assert answer.status in case.statuses, f"{answer.status} {answer.body[:500]!r} to {case}"
    if case.method == "HEAD" or answer.status == 204:
        return
    if answer.status >= _PROBLEM:
        sentence = sentence_of(case, answer)
        assert sentence.strip(), f"no sentence {answer.body!r} to {case}"
        found = _INTERNALS.search(sentence.replace(case.target.decode(), ""))
        assert not found, f"internals {found[0]!r} in {sentence!r} to {case}"
        if case.place is not None:
            label = case.form.label.format(case.place)
            assert sentence.startswith(f"{label}: "), f"{sentence!r} does not name {label}, to {case}"
    elif case.vector is not None:
        vectors = case.form.read(json.loads(answer.body))
        expected = case.vector / np.linalg.norm(case.vector)
        got = np.array(vectors[case.place or 0])
        assert got.shape == expected.shape, f"{got.shape} to {case}"
        assert np.allclose(got, expected, atol=1e-6), f"{got} instead of {expected} to {case}"
    elif case.form is not None:
        json.loads(answer.body)


def sentence_of(case: Case, answer: Answer) -> str:
    """Find the sentence of a refusal, which must stand where the module looks for it."""
    try:
        refusal = json.loads(answer.body)
    except ValueError:
        raise AssertionError(f"no JSON {answer.body[:300]!r} to {case}") from None
    kinds = {key: type(value) for key, value in refusal.items()}
    assert kinds in _refusals(case), f"{answer.body[:300]!r} to {case}"
    sentence = refusal.get("detail", refusal["error"])
    assert refusal["error"] == sentence or refusal["error"]["message"] == sentence
    return sentence


def _refusals(case: Case) -> list[dict[str, type]]:
    usual, detailed, openai = {"error": str}, {"detail": str, "error": str}, {"detail": str, "error": dict}
    if case.form is None:
        return [usual, detailed, openai]
    forced = b"/c/" in case.target
    if case.form.path == "/v1/embeddings":
        own = openai if case.form.contract == "text2vec-openai" else detailed
        return [own] if forced else [detailed, openai]
    return [detailed] if case.form.path == "/multimodalembeddings" else [usual]


def good_case(number: int) -> Case:
    """Make a good request that was not asked before, of one contract after the other."""
    forms = [*forms_of("text"), *forms_of("image")]
    form = forms[number % len(forms)]
    if form.kind == "text":
        content = f"good {number}"
        vector = text_vector(content)
    else:
        picture = Image.new("RGB", (1, 1), (number % 256, number // 256 % 256, number // 65_536))
        content = base64.b64encode(saved(picture, "PNG")).decode()
        vector = image_vector(picture)
    body = json.dumps(form.fill([content])).encode()
    target = f"/c/{form.contract}{form.path}".encode()
    return Case("good", target, body, statuses=ANSWERED, form=form, vector=vector)


def problems(service: Service, cases: Iterable[Case], first_good: int = 0) -> tuple[int, list[str]]:
    """Ask hostile requests, and after each of them a good one.

    Args:
        service: Who is asked.
        cases: The hostile requests.
        first_good: Number of the first good request; no two must be the same, or the second is only remembered.

    Returns:
        How many hostile requests there were, and what was wrong with the first of them that went wrong.
    """
    found = []
    asked = 0
    for asked, case in enumerate(cases, start=1):
        if len(found) > _ENOUGH:
            break
        for one, blamed in ((case, ""), (good_case(first_good + asked), f"after {case}: ")):
            try:
                check(one, service.ask(one))
            except Exception as error:  # noqa: BLE001 - whatever comes out of the service is what is looked for
                found.append(
                    f"{blamed}{error or repr(error)}" if isinstance(error, AssertionError) else f"{error!r} to {case}"
                )
    return asked, found

"""Apertium: rule-based translation that runs offline, from Debian packages of a few megabytes.

From English it reaches Spanish, Catalan, Galician, Esperanto and Serbo-Croatian at once, and Portuguese, French,
Italian and others by way of Catalan or Spanish. It has no German. Its sentences get the content words right more often
than the grammar: text to train on, not to test on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from trainer.translation.languages import short_code

if TYPE_CHECKING:
    from collections.abc import Collection

Direction = tuple[str, str]

# The Debian packages that lead from English to another language, alone or after one another, and their directions.
PACKAGES: dict[str, tuple[Direction, ...]] = {
    "apertium-eng-spa": (("en", "es"), ("es", "en")),
    "apertium-eng-cat": (("en", "ca"), ("ca", "en")),
    "apertium-en-gl": (("en", "gl"), ("gl", "en")),
    "apertium-eo-en": (("en", "eo"), ("eo", "en")),
    "apertium-hbs-eng": (("en", "sh"), ("en", "bs"), ("en", "hr"), ("en", "sr"), ("sh", "en")),
    "apertium-es-pt": (("es", "pt"), ("es", "pt_BR"), ("pt", "es")),
    "apertium-fra-cat": (("ca", "fr"), ("fr", "ca")),
    "apertium-cat-ita": (("ca", "it"), ("it", "ca")),
    "apertium-spa-ast": (("es", "ast"),),
    "apertium-spa-arg": (("es", "an"), ("an", "es")),
    "apertium-cat-srd": (("ca", "sc"),),
    "apertium-oc-ca": (("ca", "oc"), ("oc", "ca")),
}

_AT_ONCE = 5000
# Every further step adds its own mistakes.
_LONGEST_CHAIN = 3
# A blank line: Apertium ends the sentence there. After a single line break it would go on, and change the order of
# words across it.
_BETWEEN = "\n\n"
# What every installed mode can take.
_PROBE = "a"
_MODE = re.compile(r"([a-z]{2,3}(?:_\w+)?)-([a-z]{2,3}(?:_\w+)?)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class ApertiumTranslator:
    """Translates with the program ``apertium``, by way of other languages where there is no direct way.

    Args:
        source: Language of the sentences.
        target: Language wanted.
        program: The program's name or path.

    Attributes:
        name: ``apertium``.
        modes: Apertium's names of the steps, such as ``["eng-cat", "cat-fra"]``.

    Raises:
        UserError: The program or a package is missing, or Apertium does not translate this pair at all.
    """

    name = "apertium"

    def __init__(self, source: str, target: str, program: str = "apertium") -> None:
        self._program = shutil.which(program)
        installed = _modes(self._program) if self._program else {}
        chain = find_chain(installed, short_code(source), short_code(target))
        if chain is None:
            raise UserError(_ways_out(source, target, installed))
        self.modes = [installed[step] for step in chain]

    def translate(self, sentences: list[str]) -> list[str]:
        """Translate sentences; words that Apertium does not know stay as they are.

        Args:
            sentences: Sentences of the source language.

        Returns:
            As many translations in the same order.

        Raises:
            UserError: The program failed.
        """
        for mode in self.modes:
            sentences = self._step(mode, sentences)
        return sentences

    def _step(self, mode: str, sentences: list[str]) -> list[str]:
        cleaned = [" ".join(_CONTROL.sub(" ", sentence).split()) for sentence in sentences]
        results = [""] * len(cleaned)
        filled = [place for place, sentence in enumerate(cleaned) if sentence]
        for start in range(0, len(filled), _AT_ONCE):
            places = filled[start : start + _AT_ONCE]
            for place, result in zip(places, self._batch(mode, [cleaned[place] for place in places]), strict=True):
                results[place] = result
        return results

    def _batch(self, mode: str, sentences: list[str]) -> list[str]:
        output = self._run(mode, _BETWEEN.join(sentences))
        if len(sentences) == 1:
            return [" ".join(output.split())]
        parts = [part.strip() for part in output.split(_BETWEEN)]
        if len(parts) != len(sentences) or any("\n" in part for part in parts):
            # Some sentence became several or none: halves, until it stands alone.
            middle = len(sentences) // 2
            return self._batch(mode, sentences[:middle]) + self._batch(mode, sentences[middle:])
        return [" ".join(part.split()) for part in parts]

    def _run(self, mode: str, text: str) -> str:
        assert self._program is not None
        # -u: no marks before unknown words.
        done = subprocess.run(  # noqa: S603 - the mode is one that Apertium listed, the text goes through stdin
            [self._program, "-u", mode],
            input=text.encode(),
            capture_output=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        if not done.returncode:
            return done.stdout.decode(errors="replace")
        if text == _PROBE:
            said = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
            raise UserError(f"`apertium -u {mode}` fails ({said}); install its data again.")
        # Is it the program, or a sentence that it cannot take? Then that one stays without a translation.
        self._run(mode, _PROBE)
        return ""


def find_chain(directions: Collection[Direction], source: str, target: str) -> list[Direction] | None:
    """Find the shortest way from one language to another.

    Args:
        directions: Pairs of languages, each of which can be translated in one step.
        source: Where to start.
        target: Where to end.

    Returns:
        The steps, at most three; ``None`` if there is no way. Of several ways of the same length the one through
        Catalan: from English captions to French it did better than the one through Spanish.
    """
    ordered = sorted(directions, key=lambda step: (step[0] != "ca", step))
    ways: dict[str, list[Direction]] = {source: []}
    for _ in range(_LONGEST_CHAIN):
        reached = dict(ways)
        for start, end in ordered:
            if start in ways and end not in reached:
                reached[end] = [*ways[start], (start, end)]
        ways = reached
    return ways.get(target) or None


def _modes(program: str) -> dict[Direction, str]:
    """What is installed: directions in short codes, and Apertium's own names for them."""
    listed = subprocess.run([program, "-l"], capture_output=True, text=True)  # noqa: S603 - found by shutil.which
    matches = (_MODE.fullmatch(line.strip()) for line in sorted(listed.stdout.splitlines()))
    return {(short_code(match[1]), short_code(match[2])): match[0] for match in matches if match}


def _ways_out(source: str, target: str, installed: Collection[Direction]) -> str:
    known = {direction: package for package, directions in PACKAGES.items() for direction in directions}
    chain = find_chain({*known, *installed}, short_code(source), short_code(target))
    other = (
        "name a Hugging Face sequence-to-sequence model that does (--with facebook/m2m100_418M, or a folder), or "
        f"write pairs/{source}-{target}.tsv (columns source and target) yourself."
    )
    if chain is None:
        return f"Apertium does not translate {source} to {target}, not even by way of another language: {other}"
    packages = ["apertium", *dict.fromkeys(known[step] for step in chain if step not in installed)]
    return (
        f"Nothing that is installed here translates {source} to {target}: install Apertium with its data "
        f"(apt-get install {' '.join(packages)}), {other}"
    )

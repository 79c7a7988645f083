from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cl2cm_plugin.errors import UserError
from trainer.translation import find_translator
from trainer.translation.apertium import PACKAGES, ApertiumTranslator, find_chain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A stand-in for the program: it puts the mode before every sentence, and misbehaves on some words.
PROGRAM = """\
#!{python}
import sys
if sys.argv[1] == "-l":
    print({modes!r})
    sys.exit()
mode, text = sys.argv[2], sys.stdin.read()
with open({log!r}, "a") as log:
    log.write(mode + "\\n")
if "BROKEN" in {modes!r} or "crash" in text:
    sys.exit("no such file")
text = text.replace("split", "one\\n\\nanother").replace("merge\\n\\n", "merge ").replace("break", "two\\nlines")
print("\\n\\n".join(mode + ":" + part for part in text.split("\\n\\n")), end="")
"""


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., str]:
    def write(*modes: str) -> str:
        file = tmp_path / "apertium"
        listed = "".join(f"  {mode}\n" for mode in modes)
        file.write_text(PROGRAM.format(python=sys.executable, modes=listed, log=str(tmp_path / "log")))
        file.chmod(0o755)
        return str(file)

    return write


def test_sentences_come_back_in_order(program):
    translator = ApertiumTranslator("en", "es", program("eng-spa", "spa-eng"))

    assert translator.translate(["a dog", "a cat"]) == ["eng-spa:a dog", "eng-spa:a cat"]
    assert translator.translate([]) == []


def test_a_pair_without_a_mode_goes_by_way_of_another_language(program):
    translator = ApertiumTranslator("en", "fr", program("eng-spa", "es-fr"))

    assert translator.modes == ["eng-spa", "es-fr"]
    assert translator.translate(["dog"]) == ["es-fr:eng-spa:dog"]


def test_the_plain_mode_is_taken_unless_a_variant_is_wanted(program):
    modes = ("en-eo-bytecode", "eng-cat_valencia", "eng-cat", "eng-spa", "es-pt_BR", "es-pt", "Cyrl-Latn", "eco-es-fr")

    assert ApertiumTranslator("en", "ca", program(*modes)).modes == ["eng-cat"]
    assert ApertiumTranslator("en", "pt", program(*modes)).modes == ["eng-spa", "es-pt"]
    assert ApertiumTranslator("en", "pt-BR", program(*modes)).modes == ["eng-spa", "es-pt_BR"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [("split", "en-gl:one en-gl:another"), ("merge", "en-gl:merge"), ("break", "en-gl:two lines")],
)
def test_a_sentence_that_becomes_several_or_joins_its_neighbour_moves_no_other(word, expected, program):
    sentences = ["a dog", word, "a cat", "a bird", "a fish"]

    assert ApertiumTranslator("en", "gl", program("en-gl")).translate(sentences) == [
        "en-gl:a dog",
        expected,
        "en-gl:a cat",
        "en-gl:a bird",
        "en-gl:a fish",
    ]


def test_well_behaved_sentences_need_one_run(program, tmp_path):
    ApertiumTranslator("en", "gl", program("en-gl")).translate([f"dog {number}" for number in range(500)])

    assert (tmp_path / "log").read_text() == "en-gl\n"


def test_a_sentence_that_the_program_cannot_take_stays_without_a_translation(program):
    translator = ApertiumTranslator("en", "gl", program("en-gl"))

    assert translator.translate(["a dog", "crash", "a cat"]) == ["en-gl:a dog", "", "en-gl:a cat"]


def test_a_program_that_takes_nothing_is_an_error(program):
    translator = ApertiumTranslator("en", "gl", program("en-gl", "BROKEN"))

    with pytest.raises(UserError, match=r"`apertium -u en-gl` fails \(no such file\)"):
        translator.translate(["a dog", "a cat"])


def test_line_breaks_and_control_characters_are_spaces_and_empty_sentences_stay_empty(program):
    translator = ApertiumTranslator("en", "gl", program("en-gl"))

    assert translator.translate(["a\n\ndog\0 runs", " ", "a\u2028cat"]) == ["en-gl:a dog runs", "", "en-gl:a cat"]


def test_the_shortest_way_wins_and_of_equal_ways_the_one_through_catalan():
    direct = [("en", "an"), ("an", "fr"), ("en", "es"), ("es", "fr"), ("en", "ca"), ("ca", "fr")]

    assert find_chain(direct, "en", "fr") == [("en", "ca"), ("ca", "fr")]
    assert find_chain([*direct, ("en", "fr")], "en", "fr") == [("en", "fr")]
    assert find_chain(direct, "fr", "en") is None
    assert find_chain(direct, "en", "en") is None


def test_a_way_has_at_most_three_steps():
    steps = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")]

    assert find_chain(steps, "a", "d") == steps[:3]
    assert find_chain(steps, "a", "e") is None


def test_a_missing_package_is_named_with_the_line_that_installs_it(program):
    with pytest.raises(UserError, match=r"apt-get install apertium apertium-fra-cat\)"):
        ApertiumTranslator("en", "fr", program("eng-cat"))


def test_a_missing_program_is_named_with_all_packages_and_the_other_ways_out(tmp_path):
    with pytest.raises(UserError) as error:
        ApertiumTranslator("en", "pt", str(tmp_path / "apertium"))

    assert str(error.value) == (
        "Nothing that is installed here translates en to pt: install Apertium with its data (apt-get install apertium "
        "apertium-eng-spa apertium-es-pt), name a Hugging Face sequence-to-sequence model that does (--with "
        "facebook/m2m100_418M, or a folder), or write pairs/en-pt.tsv (columns source and target) yourself."
    )


@pytest.mark.parametrize("name", [None, "apertium"])
def test_a_pair_that_apertium_never_translates_names_the_ways_out_in_one_sentence(name):
    with pytest.raises(UserError) as error:
        find_translator("en", "de", name)

    assert str(error.value) == (
        "Apertium does not translate en to de, not even by way of another language: name a Hugging Face "
        "sequence-to-sequence model that does (--with facebook/m2m100_418M, or a folder), or write pairs/en-de.tsv "
        "(columns source and target) yourself."
    )


@pytest.mark.parametrize("target", ["es", "pt", "fr", "ca", "gl", "eo", "it", "hr"])
def test_the_packages_lead_from_english_to_the_languages_that_the_guide_promises(target):
    directions = [direction for package in PACKAGES.values() for direction in package]

    assert len(find_chain(directions, "en", target)) <= 2


MODES = (
    subprocess.run(["apertium", "-l"], capture_output=True, text=True).stdout.split()
    if shutil.which("apertium")
    else []
)


@pytest.mark.skipif("eng-spa" not in MODES, reason="apertium with apertium-eng-spa is not installed")
def test_the_real_program_translates_each_sentence_for_itself():
    sentences = ["A red", "dog runs.", "the [zzzqqq] ^dog$ @ <b>", "", "Is it a cat?", "black", "cat"]
    translator = find_translator("en", "es")
    translated = translator.translate(sentences)

    assert translated[1] == "Carreras de perro."
    assert translated[3] == ""
    assert "[zzzqqq]" in translated[2]
    assert "gato" in translated[4].lower()
    # What stands before and behind a sentence changes nothing.
    assert translator.translate(sentences[1:2] + sentences[:1]) == [translated[1], translated[0]]


@pytest.mark.skipif(
    not {"eng-spa", "es-pt"} <= set(MODES), reason="apertium-eng-spa and apertium-es-pt are not installed"
)
def test_the_real_program_reaches_portuguese_through_another_language():
    assert ApertiumTranslator("en", "pt").translate(["the red cat"])[0].lower() == "o gato vermelho"

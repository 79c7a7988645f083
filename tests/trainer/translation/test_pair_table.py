from __future__ import annotations

import pytest

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.tables import read_table
from trainer.translation.pair_table import PairTable, translate_missing

COLUMNS = ("source", "target", "origin")


class Upper:
    """Translates by shouting; stops at a sentence if told so."""

    name = "upper"

    def __init__(self, stop_at: str | None = None) -> None:
        self.asked: list[str] = []
        self._stop_at = stop_at

    def translate(self, sentences: list[str]) -> list[str]:
        self.asked += sentences
        if self._stop_at in sentences:
            raise KeyboardInterrupt
        return [sentence.upper() for sentence in sentences]


def rows(file):
    return list(read_table(file, COLUMNS[:2], COLUMNS[2:]))


def test_pairs_are_written_with_their_origin(tmp_path):
    table = PairTable(tmp_path / "pairs" / "en-fr.tsv")
    steps = list(translate_missing(table, ["a dog", "a cat", "a dog"], Upper()))

    assert table.file.read_text() == "source\ttarget\torigin\na dog\tA DOG\tmt-upper\na cat\tA CAT\tmt-upper\n"
    assert steps == [(2, 2)]
    assert [file.name for file in table.file.parent.iterdir()] == ["en-fr.tsv"]


def test_what_is_there_is_kept_and_not_translated_again(tmp_path):
    file = tmp_path / "en-fr.tsv"
    file.write_text("source\ttarget\torigin\na dog\tun chien\thuman\na dog\tle chien\thuman\n")
    translator = Upper()
    list(translate_missing(PairTable(file), ["a cat", "a dog"], translator))

    assert translator.asked == ["a cat"]
    assert rows(file) == [
        ("a dog", "un chien", "human"),
        ("a dog", "le chien", "human"),
        ("a cat", "A CAT", "mt-upper"),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("target\tsource\nun chien\ta dog", "target\tsource\torigin\nun chien\ta dog\nA CAT\ta cat\tmt-upper\n"),
        (
            "\ufeffsource\tchecked\ttarget\r\na dog\tyes\tun chien\r\n",
            "source\tchecked\ttarget\torigin\na dog\tyes\tun chien\na cat\t\tA CAT\tmt-upper\n",
        ),
        ("source\ttarget\n", "source\ttarget\torigin\na dog\tA DOG\tmt-upper\na cat\tA CAT\tmt-upper\n"),
    ],
)
def test_other_columns_and_their_order_stay(before, after, tmp_path):
    file = tmp_path / "en-fr.tsv"
    file.write_text(before, encoding="utf-8", newline="")
    list(translate_missing(PairTable(file), ["a dog", "a cat"], Upper()))

    assert file.read_text(encoding="utf-8") == after


def test_source_sentences_stay_letter_for_letter_so_that_captions_find_them(tmp_path):
    sentence = ' "two  spaces\u00a0" '
    table = PairTable(tmp_path / "en-fr.tsv")
    list(translate_missing(table, [sentence], Upper()))

    assert rows(table.file) == [(sentence, '"TWO SPACES "', "mt-upper")]
    assert PairTable(table.file).sources == {sentence}


def test_an_interruption_loses_only_the_sentences_at_work_and_the_next_run_goes_on(tmp_path):
    file = tmp_path / "en-fr.tsv"
    sentences = [f"dog {number}" for number in range(500)]
    with pytest.raises(KeyboardInterrupt):
        list(translate_missing(PairTable(file), sentences, Upper(stop_at="dog 400")))
    # Chunks of 64 and 128 sentences were written.
    assert [source for source, *_ in rows(file)] == sentences[:192]

    translator = Upper()
    list(translate_missing(PairTable(file), sentences, translator))

    assert translator.asked == sentences[192:]
    assert [source for source, *_ in rows(file)] == sentences


def test_a_failing_write_leaves_the_table_as_it_was(tmp_path, monkeypatch):
    table = PairTable(tmp_path / "en-fr.tsv")
    table.add([("a dog", "un chien")], "human")

    def fail(self, target):
        raise OSError("no space left")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="no space left"):
        table.add([("a cat", "un chat")], "human")

    assert rows(table.file) == [("a dog", "un chien", "human")]
    assert [file.name for file in tmp_path.iterdir()] == ["en-fr.tsv"]


def test_a_slow_translator_gets_smaller_chunks(tmp_path):
    sentences = [str(number) for number in range(150)]
    steps = list(translate_missing(PairTable(tmp_path / "en-fr.tsv"), sentences, Upper(), chunk_seconds=0))

    assert [count for count, _ in steps] == [64, 32, 16, 8, 4, 2, *[1] * 24]


def test_a_sentence_without_a_translation_is_left_out(tmp_path):
    table = PairTable(tmp_path / "en-fr.tsv")
    steps = list(translate_missing(table, ["a dog", " "], Upper()))

    assert steps == [(2, 1)]
    assert rows(table.file) == [("a dog", "A DOG", "mt-upper")]


def test_a_file_that_is_no_table_of_pairs_is_an_error(tmp_path):
    (tmp_path / "en-fr.tsv").write_text("english\tfrench\n")

    with pytest.raises(UserError, match="lacks the column source and target"):
        PairTable(tmp_path / "en-fr.tsv")

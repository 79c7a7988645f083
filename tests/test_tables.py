from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.tables import read_table, write_table

VALUES = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=12)


def test_columns_come_in_the_order_wanted_whatever_the_files_order(tmp_path):
    file = tmp_path / "en.tsv"
    file.write_text('caption\textra\tmedia_id\na "quoted" one\t-\t7\n', encoding="utf-8")

    assert list(read_table(file, ("media_id", "caption"), ("source",))) == [("7", 'a "quoted" one', "")]


def test_short_lines_are_left_out_and_optional_columns_may_end_early(tmp_path):
    file = tmp_path / "en.tsv"
    file.write_text("media_id\tcaption\tsource\n1\n\n2\ttwo\n3\tthree\tme\n", encoding="utf-8")

    assert list(read_table(file, ("media_id", "caption"), ("source",))) == [("2", "two", ""), ("3", "three", "me")]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    file = tmp_path / "en.tsv"
    file.write_bytes("media_id\tcaption\r\n1\tgrün\r\n".encode("utf-8-sig"))

    assert list(read_table(file, ("media_id", "caption"))) == [("1", "grün")]


@given(st.lists(st.tuples(VALUES, VALUES), max_size=8))
def test_what_is_written_is_read(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("tables") / "folder" / "en.tsv"
    write_table(file, ("a", "b"), rows)

    assert list(read_table(file, ("a", "b"))) == rows


def test_tabs_and_line_breaks_inside_a_value_become_spaces(tmp_path):
    write_table(tmp_path / "t.tsv", ("a", "b"), [("one\ttwo", "three\r\nfour ")])

    assert list(read_table(tmp_path / "t.tsv", ("a", "b"))) == [("one two", "three four")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lacks the column media_id and caption: its first line names nothing"),
        (b"media_id,caption\n1,one\n", "lacks the column"),
        ("media_id\tcaption\n1\tgrün\n".encode("latin-1"), "not UTF-8"),
        (b"media_id\tcaption\n1\t" + b"x" * 200_000, "cannot be read as a table"),
    ],
)
def test_what_is_no_table_is_named(content, message, tmp_path):
    file = tmp_path / "en.tsv"
    file.write_bytes(content)

    with pytest.raises(UserError, match=message) as error:
        list(read_table(file, ("media_id", "caption")))
    assert str(file) in str(error.value)


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="no table"):
        list(read_table(tmp_path / "en.tsv", ("a",)))

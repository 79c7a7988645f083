from __future__ import annotations

import pytest

from cl2cm_plugin import UserError
from cl2cm_plugin.collections.captions import read_captions


@pytest.fixture
def write(tmp_path):
    def write(text, language="en"):
        (tmp_path / "captions").mkdir(exist_ok=True)
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "captions" / f"{language}.tsv").write_bytes(content)
        return tmp_path

    return write


def test_captions_of_one_medium_are_joined_in_order(write):
    folder = write('caption\tsource\tmedia_id\n"quoted" dog\ta\tx/1\nruns\tb\tx/1\n\tc\t2\nein Hünd\td\t3\n')
    assert read_captions(folder, "en") == {"x/1": '"quoted" dog\nruns', "3": "ein Hünd"}


def test_a_missing_column_is_named_with_those_found(write):
    with pytest.raises(
        UserError, match=r"en\.tsv lacks the column media_id: .* names id, caption; wanted media_id, caption"
    ):
        read_captions(write("id\tcaption\n1\tdog\n"), "en")


def test_an_empty_table_lacks_both_columns(write):
    with pytest.raises(UserError, match="lacks the column media_id and caption: its first line names nothing"):
        read_captions(write(""), "en")


def test_a_missing_language_names_those_there_are(write):
    write("", "de")
    with pytest.raises(UserError, match=r"no captions in 'fr'.*languages found: de, en"):
        read_captions(write(""), "fr")


def test_another_encoding_is_named(write):
    with pytest.raises(UserError, match="is not UTF-8"):
        read_captions(write("media_id\tcaption\n1\tHünd\n".encode("latin-1")), "en")

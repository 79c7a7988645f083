"""tuning.embedding.source: what a folder or Parquet holds, and what is wrong with it."""

from __future__ import annotations

import pyarrow as pa
import pytest
from archive_sample import BAD, CAPTIONS, GOOD, noise
from pyarrow import parquet

from cl2cm_plugin.errors import UserError
from tuning.embedding.source import Columns, from_folder, from_parquet, parquet_files


def test_a_folder_is_listed_with_clips_and_captions(archive, tmp_path):
    source = from_folder(archive, "en", tmp_path / "list.parquet")
    listed = parquet.read_table(source.files[0]).to_pylist()
    assert {row["file"] for row in listed} == GOOD | BAD
    assert {row["file"]: row["caption"] for row in listed if row["caption"]} == CAPTIONS
    assert (source.rows, source.key, source.folder) == (len(GOOD | BAD), "file", archive)


def test_the_list_of_the_first_time_counts(archive, tmp_path):
    from_folder(archive, None, tmp_path / "list.parquet")
    noise(9).save(archive / "media" / "new.png")
    assert from_folder(archive, None, tmp_path / "list.parquet").rows == len(GOOD | BAD)


def test_a_folder_without_media_or_captions_is_refused(archive, tmp_path):
    with pytest.raises(UserError, match=r"no captions in 'fr'.*languages found: en"):
        from_folder(archive, "fr", tmp_path / "list.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no picture or clip"):
        from_folder(tmp_path / "empty", None, tmp_path / "list.parquet")


class TestParquet:
    @pytest.fixture
    def write(self, tmp_path):
        def write(name="a.parquet", **columns):
            (tmp_path / "p").mkdir(exist_ok=True)
            parquet.write_table(pa.table(columns), tmp_path / "p" / name)
            return tmp_path / "p"

        return write

    def test_is_a_file_or_a_folder_that_holds_no_media_beside_them(self, write, archive):
        place = write(file=["a"])
        assert parquet_files(place) == parquet_files(place / "a.parquet") == [place / "a.parquet"]
        noise(0).save(place / "photo.png")
        assert parquet_files(place) == []
        parquet.write_table(pa.table({"file": ["a"]}), archive / "vectors.parquet")
        assert parquet_files(archive) == []

    def test_of_several_files_is_taken_together(self, write):
        write(file=["a"], media=[b"x"])
        source = from_parquet(write("b.parquet", file=["b"], media=[b"y"]), {})
        assert (source.rows, len(source.files)) == (2, 2)
        assert source.columns == Columns("file", "media", None, None)

    def test_has_other_names_if_they_are_given(self, write):
        place = write(url=["a"], image=[b"x"], text=["y"])
        source = from_parquet(place, {"file": "url", "media": "image", "caption": "text"})
        assert source.columns == Columns("url", "image", None, "text")
        assert source.columns.names == ["url", "image", "text"]

    def test_a_path_is_the_name_where_there_is_no_other(self, write):
        source = from_parquet(write(path=["a.png"]), {})
        assert (source.key, source.columns.names) == ("path", ["path"])

    @pytest.mark.parametrize(
        ("columns", "names", "sentence"),
        [
            ({"media": [b"x"]}, {}, r"has the columns media; needed are file, or path"),
            ({"file": ["a"]}, {}, r"one of media, path and caption.*--columns file=url"),
            ({"file": ["a"], "media": [b""]}, {"caption": "text"}, r"no column 'text', only file, media"),
            ({"file": ["a"], "media": ["a.png"]}, {}, r"'media'.*no column of bytes.*--columns path=media"),
            ({"file": ["a", "b", "a"], "caption": ["x"] * 3}, {}, r"of 3 rows only 2 have a name of their own"),
            ({"file": ["a", None], "caption": ["x"] * 2}, {}, r"of 2 rows only 1 have a name of their own"),
            ({"file": [], "caption": []}, {}, r"has no rows"),
        ],
    )
    def test_that_cannot_be_used_is_refused_with_what_to_do(self, write, columns, names, sentence):
        with pytest.raises(UserError, match=sentence):
            from_parquet(write(**columns), names)

    def test_that_is_none_is_refused(self, tmp_path):
        (tmp_path / "a.parquet").write_bytes(b"no Parquet")
        with pytest.raises(UserError, match="cannot be read as Parquet"):
            from_parquet(tmp_path / "a.parquet", {})

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from trainer import contact_sheet
from trainer.contact_sheet import Hit, Row
from trainer.corpus.clip_files import write_clip


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / "red.png"
    Image.new("RGB", (50, 50), "red").save(file)
    return file


def draw(rows, tmp_path):
    contact_sheet.draw(rows, "Title", "Attribution", tmp_path / "out" / "sheet.png")
    return Image.open(tmp_path / "out" / "sheet.png").convert("RGB")


def colours(sheet):
    return {colour for _, colour in sheet.getcolors(1 << 20)}


def test_a_sheet_shows_the_pictures_and_frames_the_right_one(picture, tmp_path):
    green = (26, 127, 55)
    plain = draw([Row("Süßes", "note", [Hit(picture, "red")])], tmp_path)
    framed = draw([Row("Süßes", "note", [Hit(picture, "red", right=True)])], tmp_path)

    assert (255, 0, 0) in colours(plain)
    assert green not in colours(plain)
    assert green in colours(framed)


def test_a_sheet_grows_with_its_rows(picture, tmp_path):
    row = Row("query", "two\nlines", [Hit(picture, "a very long caption that does not fit below a picture")] * 3)

    assert draw([row] * 3, tmp_path).height > draw([row], tmp_path).height


def test_a_long_query_takes_several_lines_and_then_is_shortened(picture, tmp_path):
    def ink(query):
        sheet = draw([Row(query, "", [Hit(picture, "")])], tmp_path)
        rows = np.asarray(sheet.convert("L"))[60:, :340].min(axis=1) < 128
        return int(rows.sum())

    lines = [ink(" ".join(["ab"] * words)) for words in (5, 12, 24, 200)]
    without_spaces = [ink("ab" * count) for count in (5, 24)]

    assert lines[0] < lines[1] < lines[2]
    assert lines[2] == pytest.approx(lines[3], abs=1)
    assert without_spaces[0] < without_spaces[1]


@pytest.fixture
def fonts(monkeypatch):
    """Choose the fonts that the machine has."""

    def use(*names):
        folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        monkeypatch.setattr(contact_sheet, "_font_files", lambda: [str(folder / name) for name in names])

    return use


@pytest.mark.parametrize(("text", "file"), [("a cat", "cmr10.ttf"), ("Кошка", "DejaVuSans.ttf"), ("猫", None)])
def test_text_is_drawn_with_the_first_font_that_has_its_characters(text, file, fonts):
    fonts("cmr10.ttf", "DejaVuSans.ttf")
    font = contact_sheet._font(text, 20)

    assert (Path(font.path).name if font else None) == file


def test_scripts_of_many_languages_can_be_drawn_without_any_font_of_the_machine(fonts):
    fonts("DejaVuSans.ttf")

    for text in ("Zażółć gęślą jaźń", "Кошка на траве", "γάτα", "قطة على العشب", "Con mèo"):
        assert contact_sheet._font(text, 20) is not None


def test_a_font_that_cannot_be_read_is_passed_over(picture, tmp_path, monkeypatch):
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    ours = contact_sheet._font_files()[0]
    monkeypatch.setattr(contact_sheet, "_font_files", lambda: [ours, str(broken)])

    draw([Row("猫の顔", "", [Hit(picture, "")])], tmp_path)


def test_what_no_font_has_is_referred_to_the_table(picture, tmp_path, fonts):
    fonts("DejaVuSans.ttf")
    japanese, reference = (
        draw([Row(query, "", [Hit(picture, "")])], tmp_path) for query in ("猫の顔", "(see the table)")
    )

    assert japanese.tobytes() == reference.tobytes()


def test_a_clip_is_shown_by_the_frame_in_its_middle(tmp_path):
    pytest.importorskip("av")
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("white", "white", "blue", "white", "white")]
    write_clip(frames, tmp_path / "clip.mp4")

    sheet = draw([Row("query", "", [Hit(tmp_path / "clip.mp4", "")])], tmp_path)

    assert any(blue > 200 > 100 > red for red, _, blue in colours(sheet))

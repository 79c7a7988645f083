from __future__ import annotations

import pytest
from PIL import Image

from trainer.demo import contact_sheet
from trainer.demo.contact_sheet import Hit, Row


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


def test_what_the_font_lacks_is_referred_to_the_table(picture, tmp_path):
    japanese, reference = (
        draw([Row(query, "", [Hit(picture, "")])], tmp_path) for query in ("猫の顔", "(see the table)")
    )

    assert japanese.tobytes() == reference.tobytes()

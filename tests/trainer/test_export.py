from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

import trainer.corpus.captioned_media as corpus
from cl2cm_plugin import cli
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.export import exporter
from cl2cm_plugin.exported.folder import Export
from cl2cm_plugin.exported.preprocessing import Preprocessing
from trainer.export_samples import samples

PREPROCESSING = Preprocessing((8, 8), None, 3, None, None, (127, 127, 127), (128, 128, 128))
COSINES = {"mean": 0.995, "first_percentile": 0.98, "lowest": 0.9}


class FakeExporter:
    """Writes files of its name, and finds 8 bits too bad if told so."""

    left_out: ClassVar[list[str]] = []

    def __init__(self, source, place):
        self.place = place
        (place / "tokenizer.json").write_text(str(source), encoding="utf-8")

    def single_precision(self):
        (self.place / "text.fp32.onnx").touch()

    def eight_bits(self, chosen):
        assert chosen.captions
        (self.place / "text.int8.onnx").touch()
        return self.left_out

    def finish(self):
        attempt = {"kept": "the projection", "seven_bits": True, "cosines": COSINES}
        int8 = {"text": attempt, "image": attempt}
        return Export(PREPROCESSING, 32, 0, parity={"fp32": {"largest_difference": 0.0}, "int8": int8})


@pytest.fixture
def export(monkeypatch, tiny_model_folder, colours, tmp_path, capsys):
    """Run the command with a fake exporter: what it wrote, and what it printed."""

    def run(*arguments, left_out=()):
        monkeypatch.setattr(exporter, "Exporter", type("Exporter", (FakeExporter,), {"left_out": left_out}))
        status = cli.main(["export", str(tiny_model_folder), str(tmp_path / "out"), *arguments])
        written = sorted(file.name for file in (tmp_path / "out").glob("*"))
        return status, written, " ".join(capsys.readouterr().out.split())

    return run


def test_both_precisions_are_written_and_their_price_is_told(export, colours):
    status, written, printed = export("--data", str(colours))

    assert status == 0
    assert written == ["text.fp32.onnx", "text.int8.onnx", "tokenizer.json"]
    assert "0.9950" in printed
    assert "weights in 7" in printed
    assert "cl2cm serve" in printed


def test_what_was_left_out_is_told_with_the_reason(export, colours):
    status, _, printed = export("--data", str(colours), left_out=["The image tower has no 8 bits: they cost."])

    assert status == 0
    assert "The image tower has no 8 bits: they cost." in printed


def test_without_pictures_there_are_no_eight_bits(export):
    _, written, printed = export()

    assert written == ["text.fp32.onnx", "tokenizer.json"]
    assert "No 8 bits: they need pictures and captions (--data)." in printed


def test_an_existing_folder_is_left_as_it_is(export, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()

    status, written, _ = export()

    assert (status, written) == (1, ["mine"])


def test_nothing_is_left_of_an_export_that_failed(export, tmp_path, monkeypatch):
    def fail(_self):
        raise UserError("no graph")

    monkeypatch.setattr(FakeExporter, "single_precision", fail)

    status, written, _ = export()

    assert (status, written) == (1, [])
    assert not list(tmp_path.glob(".out*"))


def test_pictures_to_calibrate_on_are_none_of_those_compared(colours):
    chosen = samples(corpus.read(colours), "held-out", ["en", "de"])
    known = corpus.read(colours)

    assert set(chosen.gallery) == {Path(known.files()[media_id]) for media_id in known.media_ids("held-out")}
    assert not set(chosen.gallery) & set(chosen.calibration)
    captions = {
        (caption, Path(known.files()[media_id]))
        for language in ("en", "de")
        for media_id, caption in known.captions_in(language, known.media_ids("held-out"))
    }
    rows = zip(chosen.captions, chosen.picture_of_caption, strict=True)
    assert {(caption, chosen.gallery[row]) for caption, row in rows} == captions
    assert chosen == samples(known, "held-out", ["en", "de"])


def test_a_whole_small_collection_is_halved(colours):
    chosen = samples(corpus.read(colours), None, ["en", "fi"])

    assert len(chosen.gallery) == len(chosen.calibration) == 4
    assert not set(chosen.gallery) & set(chosen.calibration)


def test_captions_of_no_such_language_are_refused(colours):
    with pytest.raises(UserError, match="has no captions in fi"):
        samples(corpus.read(colours), None, ["fi"])

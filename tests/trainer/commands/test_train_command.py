from __future__ import annotations

import pytest
import yaml

from cl2cm_plugin import cli
from trainer import corpus


@pytest.mark.parametrize("wrong", [0, 1])
def test_how_many_pairs_are_doubtful_is_told_and_where_they_are_if_any(
    wrong, text_backbone, image_backbone, colours, doubt, tmp_path, monkeypatch, capsys
):
    rows = corpus.read(colours).pairs.to_list()
    pairs = [(row["source"], row["target"]) for row in rows if row["target_language"] == "de"]
    model = {"text": str(text_backbone), "image": str(image_backbone), "dimensions": 8, "vocabulary": "all"}
    optimiser = {"optimiser": {"epochs": 1, "batch_size": 4}}
    (tmp_path / "recipe.yaml").write_text(
        yaml.safe_dump(
            {
                "model": model,
                "cross_lingual": optimiser,
                "cross_modal": optimiser,
                "pair_filter": {"nearest": 1, "among": len(pairs)},
            }
        ),
        encoding="utf-8",
    )
    doubt(pairs, wrong)
    monkeypatch.chdir(tmp_path)

    assert cli.main(["train", "recipe.yaml", "--data", str(colours), "--out", "run"]) == 0

    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("pair_filter"))
    assert line.startswith(f"pair_filter leaves out {wrong} of {len(pairs)} en-de pairs")
    assert line.endswith("; run/doubtful-pairs.tsv has them.") == bool(wrong)
    assert (tmp_path / "run" / "doubtful-pairs.tsv").exists() == bool(wrong)

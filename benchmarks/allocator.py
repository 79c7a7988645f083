"""What the allocator setting of `cl2cm_plugin.allocator` is worth: pictures a second with and without it.

Both sides run the same child process in turn, several times; the ratio is taken pair by pair.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from cl2cm_plugin.allocator import SETTING
from cl2cm_plugin.encoder import backbones

PAIRS = 3
CHILD = """
import sys, time
import torch
from transformers import AutoModel
model = AutoModel.from_pretrained(sys.argv[1]).eval()
pixels = torch.zeros(16, 3, 224, 224)
with torch.inference_mode():
    model(pixels)
    start = time.perf_counter()
    for _ in range(6):
        model(pixels)
print(6 * 16 / (time.perf_counter() - start))
"""


def pictures_per_second(folder: str, setting: dict[str, str]) -> float:
    """Run the child once."""
    environment = {key: value for key, value in os.environ.items() if key not in SETTING} | setting
    command = [sys.executable, "-c", CHILD, folder]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print both rates and their ratio."""
    folder = str(backbones.image_backbone("efficientnet-lite0"))
    pairs = [(pictures_per_second(folder, SETTING), pictures_per_second(folder, {})) for _ in range(PAIRS)]
    ratios = sorted(fast / slow for fast, slow in pairs)
    print(f"EfficientNet-Lite0, batches of 16 pictures of 224 pixels, {PAIRS} pairs of runs")
    print(f"  with the setting   {statistics.median(fast for fast, _ in pairs):6.1f} pictures/s")
    print(f"  without            {statistics.median(slow for _, slow in pairs):6.1f} pictures/s")
    print(f"  ratio              {statistics.median(ratios):6.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()

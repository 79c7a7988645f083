"""Plots of an evaluation: R@10 by language, and by length of the caption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from trainer.evaluation.caption_length import CUTOFF, unit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.axes import Axes

    from trainer.evaluation.caption_length import LengthGroup
    from trainer.evaluation.measurement import LanguageResult

_LABEL = f"text to image R@{CUTOFF} in percent"
_ALL_COLOUR, _PARALLEL_COLOUR = "#4477aa", "#ddaa33"
_BAR, _COLUMNS = 0.38, 3


def plot_languages(results: Mapping[str, LanguageResult], file: Path) -> None:
    """Draw R@10 from text to image as bars, a language beside the other.

    Args:
        results: What was measured, by language; parallel captions get bars of their own where they are only some of
            the captions of any language.
        file: The PNG to write.
    """
    both = any(result.differ for result in results.values())
    figure = Figure(figsize=(max(4.0, 1.5 + 0.9 * len(results)), 4.0), layout="constrained")
    axes = figure.add_subplot()
    place = np.arange(len(results))
    shares = [result.all.figures.text_to_image.r10 for result in results.values()]
    _bars(axes, place - _BAR / 2 * both, shares, _ALL_COLOUR, "all captions")
    if both:
        parallel = [(x, result.parallel) for x, result in zip(place, results.values(), strict=True) if result.parallel]
        shares = [measurement.figures.text_to_image.r10 for _, measurement in parallel]
        _bars(axes, np.asarray([x for x, _ in parallel]) + _BAR / 2, shares, _PARALLEL_COLOUR, "parallel captions")
        figure.legend(loc="outside upper right", ncols=2, frameon=False)
    axes.set_xticks(place, list(results))
    axes.set(xlabel="language of the captions", ylabel=_LABEL, ylim=(0, 105))
    _save(figure, file)


def plot_lengths(groups: Mapping[str, list[LengthGroup]], file: Path) -> None:
    """Draw R@10 from text to image by length of the caption, a panel a language.

    Args:
        groups: Captions by length, by language.
        file: The PNG to write.
    """
    columns = min(_COLUMNS, len(groups))
    lines = -(-len(groups) // columns)
    figure = Figure(figsize=(4.0 * columns, 3.2 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True)
    for panel in panels.flat[len(groups) :]:
        panel.remove()
    for panel, (language, of_language) in zip(panels.flat, groups.items(), strict=False):
        ranges = [_range(group) for group in of_language]
        _bars(panel, np.arange(len(ranges)), [group.r10 for group in of_language], _ALL_COLOUR, "")
        panel.set_xticks(range(len(ranges)), ranges)
        panel.set(title=language, xlabel=f"{unit(language)} in the caption", ylim=(0, 105))
    figure.supylabel(_LABEL, fontsize="medium")
    _save(figure, file)


def _range(group: LengthGroup) -> str:
    return str(group.shortest) if group.shortest == group.longest else f"{group.shortest}–{group.longest}"  # noqa: RUF001


def _bars(axes: Axes, places: np.ndarray, shares: list[float], colour: str, label: str) -> None:
    bars = axes.bar(places, shares, _BAR, color=colour, label=label)
    axes.bar_label(bars, fmt="%.0f", fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)


def _save(figure: Figure, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # A canvas of its own: no display, and no state that is shared with the caller's matplotlib.
    FigureCanvasAgg(figure).print_figure(file, dpi=120)

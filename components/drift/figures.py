"""The drift report's figures as SVG."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from components.drift.pair import Coded, Ints, Pair
from components.drift.statistics import bins
from components.registry.drift_log import DriftRecord
from components.reporting.svg import BLUE, GREY, ORANGE, STYLE, to_svg
from components.schema import Kind

_BEFORE, _AFTER, _LINE = GREY, BLUE, ORANGE
_MOST_BARS = 12
_LABEL_LENGTH = 18


def trend(records: Sequence[DriftRecord], psi_line: float) -> str:
    """Draw the largest PSI and the AUCs of each batch."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 2.6), layout="constrained")
        psi, told, production = figure.subplots(1, 3)
        batches = [record.batch for record in records]
        colours = [_LINE if record.retrain else _AFTER for record in records]
        psi.bar(batches, [record.largest_psi for record in records], color=colours, width=0.6)
        psi.axhline(psi_line, color=_LINE, linestyle="--", linewidth=1)
        psi.set_title("largest PSI of a column", loc="left")
        _series(told, records, "classifier_auc", "AUC, batch told from reference")
        _series(production, records, "production_auc", "production's AUC")
        for axes in (psi, told, production):
            axes.set_xlabel("batch")
            axes.set_xticks(batches)
            axes.set_xlim(batches[0] - 0.8, batches[-1] + 0.8)
        return to_svg(figure)


def distributions(pair: Pair, names: Sequence[str]) -> str:
    """Draw the shares of some columns' levels, before and after."""
    with mpl.rc_context(STYLE):
        height = 2.5 * -(-len(names) // 2)
        figure = Figure(figsize=(9, height), layout="constrained")
        grid = figure.subplots(-(-len(names) // 2), 2, squeeze=False).ravel()
        for axes, name in zip(grid, names, strict=False):
            _bars(axes, name, pair.columns[name], pair)
        for axes in grid[len(names) :]:
            axes.set_axis_off()
        return to_svg(figure)


def _series(axes: Axes, records: Sequence[DriftRecord], name: str, title: str) -> None:
    known = [(r.batch, getattr(r, name)) for r in records if getattr(r, name) is not None]
    axes.set_title(title, loc="left")
    axes.set_ylim(min([0.45, *(value - 0.05 for _, value in known)]), 1.0)
    axes.axhline(0.5, color=_BEFORE, linestyle="--", linewidth=1)
    if known:
        axes.plot(*zip(*known, strict=True), color=_AFTER, marker="o", markersize=4)


def _bars(axes: Axes, name: str, column: Coded, pair: Pair) -> None:
    labels, before, after = _shown(column, pair)
    place = np.arange(len(labels))
    axes.bar(place - 0.2, before, 0.4, color=_BEFORE, label="reference")
    axes.bar(place + 0.2, after, 0.4, color=_AFTER, label="batch")
    axes.set_title(name, loc="left")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xticks(place, labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.legend(frameon=False)


def _shown(column: Coded, pair: Pair) -> tuple[list[str], Ints, Ints]:
    """Return a name and both shares of each bar: bins in order, or the most frequent levels."""
    before, after = column.counts(~pair.in_batch), column.counts(pair.in_batch)
    bin_of = bins(column, before, after)
    members = [np.flatnonzero(bin_of == number) for number in range(bin_of.max() + 1)]
    old, new = (np.array([side[m].sum() / side.sum() for m in members]) for side in (before, after))
    names = [_name(column, levels) for levels in members]
    if column.values is not None:
        return names, old, new
    largest = np.argsort(-np.maximum(old, new), kind="stable")[:_MOST_BARS]
    return [names[number] for number in largest], old[largest], new[largest]


def _name(column: Coded, levels: Ints) -> str:
    if not levels.size:
        return ""
    first, last = (str(column.levels[level]) for level in (levels[0], levels[-1]))
    if column.kind is Kind.NUMBER:
        return first if first == last else f"{first} to {last}"
    if levels.size > 1:
        return f"{levels.size} rare"
    return "missing" if column.missing[levels[0]] else first[:_LABEL_LENGTH].replace("$", r"\$")

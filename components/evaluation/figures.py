"""The model report's figures as SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.evaluation.contributions import Contribution
from components.evaluation.curves import Curves
from components.evaluation.metrics import Metrics
from components.reporting.svg import BLUE, GREY, ORANGE, STYLE, to_svg

_SIZE = (4.4, 3.6)
_SHOWN = 15
_NAME_LENGTH = 34


def roc(curves: Curves, metrics: Metrics) -> str:
    """Draw sensitivity over 1 - specificity."""

    def draw(axes: Axes) -> None:
        label = f"candidate, AUC {metrics.auc:.3f}"
        axes.plot(curves.false_positive_rate, curves.true_positive_rate, color=BLUE, label=label)
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="no skill, AUC 0.500")
        axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1))
        axes.legend(loc="lower right")

    return _drawn(draw)


def precision_recall(curves: Curves, metrics: Metrics) -> str:
    """Draw precision over recall."""

    def draw(axes: Axes) -> None:
        label = f"candidate, average {metrics.average_precision:.3f}"
        axes.plot(curves.recall, curves.precision, color=BLUE, label=label)
        none = metrics.no_skill_average_precision
        axes.axhline(none, color=GREY, linestyle="--", label=f"no skill, {none:.3f}")
        axes.set(xlabel="recall (sensitivity)", ylabel="precision", xlim=(0, 1), ylim=(0, 1))
        axes.legend(loc="upper right")

    return _drawn(draw)


def calibration(curves: Curves, metrics: Metrics) -> str:
    """Draw the share of readmitted over the mean risk, by decile of risk."""

    def draw(axes: Axes) -> None:
        found = curves.reliability
        most = min(1.0, 1.1 * float(max(found.risk.max(), found.rate.max())))
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="ideal")
        label = f"candidate, slope {metrics.calibration_slope:.2f}"
        axes.plot(found.risk, found.rate, color=BLUE, marker="o", markersize=4, label=label)
        axes.set(xlabel="predicted risk", ylabel="readmitted", xlim=(0, most), ylim=(0, most))
        axes.legend(loc="upper left")

    return _drawn(draw)


def net_benefit(curves: Curves, threshold: float) -> str:
    """Draw the decision curve; the vertical line is the model's threshold."""

    def draw(axes: Axes) -> None:
        found = curves.decision
        axes.plot(found.thresholds, found.everybody, color=ORANGE, label="call everybody")
        axes.axhline(0, color=GREY, linestyle="--", label="call nobody")
        axes.plot(found.thresholds, found.model, color=BLUE, label="candidate")
        axes.axvline(threshold, color=GREY, linewidth=0.8)
        top = max(0.02, 1.15 * float(found.everybody[0]))
        axes.set(xlabel="threshold risk", ylabel="net benefit", xlim=(0, 1), ylim=(-0.1 * top, top))
        axes.legend(loc="upper right")

    return _drawn(draw)


def contribution_bars(found: Sequence[Contribution]) -> str:
    """Draw the largest contributions."""
    shown = list(found[:_SHOWN])[::-1]

    def draw(axes: Axes) -> None:
        axes.barh(np.arange(len(shown)), [c.mean for c in shown], color=BLUE, height=0.7)
        axes.set_yticks(np.arange(len(shown)), [_name(c.columns) for c in shown])
        axes.set_xlabel("mean |SHAP|")

    return _drawn(draw, (4.4, 0.8 + 0.24 * len(shown)))


def learning_curve(curve: Sequence[tuple[int, float]]) -> str:
    """Draw validation AUC over rounds, trees or passes; the mark is where the winner stopped."""

    def draw(axes: Axes) -> None:
        axes.plot(*zip(*curve, strict=True), color=BLUE)
        best = max(curve, key=lambda point: point[1])
        axes.plot(*best, color=ORANGE, marker="o")
        axes.set(xlabel="rounds, trees or passes", ylabel="validation AUC")

    return _drawn(draw)


def _drawn(draw: Callable[[Axes], None], size: tuple[float, float] = _SIZE) -> str:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        return to_svg(figure)


def _name(columns: Sequence[str]) -> str:
    text = ", ".join(columns)
    if len(text) <= _NAME_LENGTH:
        return text
    return f"{columns[0]} and {len(columns) - 1} more"

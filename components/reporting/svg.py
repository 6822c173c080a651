"""Figures as SVG that stands in HTML, drawn alike on every page."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure

GREY, BLUE, ORANGE = "#9aa5b1", "#0b5c8f", "#b45309"
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "health-predict",  # the same figure gives the same bytes
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def to_svg(figure: Figure) -> str:
    """Return a figure without the XML prolog; call it within ``rc_context(STYLE)``."""
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue().partition('.dtd">')[2]

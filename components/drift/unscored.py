"""The page that stands for production's metrics where they were not measured."""

from __future__ import annotations

from pathlib import Path

from components.drift.decision import DriftDecision
from components.drift.window import source_of
from components.reporting.page import Page


def write_unscored(page: str, batch: str, decision: DriftDecision) -> None:
    """Say that production was not scored on a batch, and why.

    A KFP task shows every artifact that it declares; one without a file is a dead link.

    Args:
        page: path of the HTML page.
        batch: path of the newest batch's rows.
        decision: to retrain.
    """
    provenance = source_of(batch)
    shown = Page(f"Production on batch {provenance.batch}", provenance.synthetic)
    text = "Not scored: a candidate is trained, and compared with production on test rows"
    shown.verdict(text, decision.reasons, acts=False)
    Path(page).write_text(shown.html(), "utf-8")

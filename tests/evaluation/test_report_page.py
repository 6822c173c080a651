"""The model report as a browser shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from browser import browse, needs_browser
from builders import labels, random_rows, rows_table, tiny_bundle
from gating import RULES
from matplotlib.image import imread

from components.evaluation.bootstrap import metric_intervals, paired_auc_difference
from components.evaluation.comparison import Comparison
from components.evaluation.contributions import Contribution
from components.evaluation.curves import curves
from components.evaluation.gate import decide
from components.evaluation.measured import Measured
from components.evaluation.outcome import Evaluation
from components.evaluation.report import Lineage, model_report
from components.evaluation.subgroups import subgroups
from components.ingest.tables import Provenance

ROWS = 600
MOST_BYTES = 2_000_000
MOST_PIXELS = 7_000
# A browser window is never narrower than 500 px; a frame is.
FRAME = """<!doctype html><body style="margin:0">
<iframe src="report.html" width="{width}" height="{height}" style="border:0" onload="
  const page = this.contentDocument.documentElement;
  document.body.dataset.width = page.scrollWidth;
  document.body.dataset.height = page.scrollHeight;"></iframe>"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the report of a candidate that replaces production, with every section."""
    bundle = tiny_bundle(tmp_path_factory.mktemp("bundle") / "bundle")
    rows = random_rows(ROWS, seed=1)
    table = rows_table(rows)
    truth = np.array([label != "NO" for label in labels(rows, 1)], np.int8)
    risks, threshold = bundle.score_rows(rows), bundle.facts.threshold
    patients = table["patient_nbr"].to_numpy()
    new = Measured(*metric_intervals(truth, risks, threshold, patients, seed=1, draws=20))
    before = np.roll(risks, 1)
    difference = paired_auc_difference(truth, risks, before, patients, seed=1, draws=20)
    groups = subgroups(table, truth, risks, threshold, seed=1, production=before)
    comparison = Comparison("1", difference, groups, same_target=True, loses_real_data=False)
    evaluation = Evaluation(
        new,
        new,
        "1",
        curves(truth, risks, threshold),
        groups,
        (Contribution(("diag_1", "diag_2", "diag_3"), 0.4), Contribution(("age",), 0.1)),
        0.05,
        decide(new, 0.05, comparison, RULES),
    )
    provenance = Provenance("synthetic:rows=600", "0" * 64, ROWS, synthetic=True, batch=2)
    curve = [(20, 0.61), (40, 0.66), (60, 0.655)]
    return model_report(
        Lineage(bundle.facts, bundle.digest, "f" * 32, curve, provenance), evaluation
    )


@pytest.fixture(scope="module")
def site(report: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Serve the report, so that the page around the frame may look into it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "report.html").write_text(report, "utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def frame(folder: Path, width: int, height: int) -> str:
    """Write a page around the report; one of its own a size, as the browser caches by name."""
    page = folder / f"frame-{width}-{height}.html"
    page.write_text(FRAME.format(width=width, height=height), "utf-8")
    return page.name


def test_the_report_is_small_and_holds_every_section(report: str) -> None:
    assert len(report.encode()) < MOST_BYTES
    for title in (
        "ROC", "Precision and recall", "Calibration by decile of risk", "Decision curve",
        "What moves the risk", "Learning curve", "By subgroup", "Hyperparameters", "Lineage",
        "Limits of use",
    ):  # fmt: skip
        assert f"<h2>{title}</h2>" in report
    assert "Confusion matrix at the threshold 0.300" in report
    assert "diag_1, diag_2, diag_3" in report


def test_the_report_says_every_rule_s_outcome_and_each_subgroup_s_difference(report: str) -> None:
    for rule in (
        "AUC 0.", "average precision", "F1 ", "Brier ", "calibration slope",
        "calibration intercept", "scoring one encounter takes", "worst subgroup",
    ):  # fmt: skip
        assert re.search(f"<li>(ok|FAILED): {rule}", report), rule
    assert '<th scope="col">AUC gain (95 %)</th>' in report
    women, men = re.findall(r"<td>gender</td>.*?</tr>", report, re.DOTALL)
    assert re.search(r"<td>\+0\.\d{3} \([+-]0\.\d{3} to \+0\.\d{3}\)</td>", women + men)


@needs_browser
@pytest.mark.parametrize("width", [360, 1440])
def test_the_page_fits_its_window_and_is_painted(site: tuple[Path, str], width: int) -> None:
    folder, url = site
    found = browse(folder, f"{url}/{frame(folder, width, 800)}", "--dump-dom")
    size = {name: int(value) for name, value in re.findall(r'data-(width|height)="(\d+)"', found)}
    assert size["width"] <= width, "the page is wider than its window: it scrolls sideways"
    assert size["height"] < MOST_PIXELS, "columns are so narrow that words break into letters"
    whole = frame(folder, width, size["height"])
    picture = folder / f"report-{width}.png"
    window = f"--window-size={max(width, 500)},{size['height']}"
    browse(folder, f"{url}/{whole}", f"--screenshot={picture}", window)
    pixels = imread(picture)[: size["height"], :width, :3]
    painted = pixels.min(axis=(1, 2)) < 0.9
    assert pixels.shape[:2] == (size["height"], width)
    assert painted.mean() > 0.5, "most of the page is blank"

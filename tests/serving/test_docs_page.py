"""The page of the OpenAPI document as a browser without any other host shows it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import browse, needs_browser
from matplotlib.image import imread
from serving_process import INFER, PREDICT, Served, serving

WIDTH, HEIGHT = 1280, 1400


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as (server, _):
        yield server


@pytest.fixture(scope="module")
def url(served: Served) -> str:
    return str(served.client.base_url.join("/docs"))


def test_every_part_of_the_page_comes_from_the_server(served: Served) -> None:
    page = served.client.get("/docs").text
    parts = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)["']""", page)
    assert len(parts) == 4
    assert "//" not in "".join(parts)
    for part in parts:
        answer = served.client.get(part)
        assert answer.status_code == 200
        assert answer.content


@needs_browser
def test_the_page_shows_the_operations_in_order(served: Served, url: str, tmp_path: Path) -> None:
    shown = re.findall(r'data-path="([^"]+)"', browse(tmp_path, url, "--dump-dom"))
    assert shown == list(served.client.get("/openapi.json").json()["paths"])
    assert shown[:2] == [PREDICT, INFER]


@needs_browser
def test_the_page_is_painted(url: str, tmp_path: Path) -> None:
    picture = tmp_path / "docs.png"
    browse(tmp_path, url, f"--screenshot={picture}", f"--window-size={WIDTH},{HEIGHT}")
    pixels = imread(picture)[:, :, :3]
    painted = pixels.min(axis=(1, 2)) < 0.9
    assert pixels.shape[:2] == (HEIGHT, WIDTH)
    assert painted.mean() > 0.5, "most of the page is blank"


@needs_browser
def test_an_operation_is_shown_with_its_example(served: Served, url: str, tmp_path: Path) -> None:
    found = browse(tmp_path, f"{url}#/Encounters/predict", "--dump-dom")
    text = html.unescape(re.sub(r"<[^>]+>", "", found))
    operation = served.client.get("/openapi.json").json()["paths"][PREDICT]["post"]
    (sent,) = operation["requestBody"]["content"].values()
    (row,) = sent["example"]["instances"]
    for name, value in row.items():
        assert f'"{name}": {json.dumps(value)}' in text

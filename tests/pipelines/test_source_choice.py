"""Which data a run takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import InputError
from components.ingest import source as ingest_source
from pipelines import source
from pipelines.source import FALLBACK_URI, choose_source


def test_a_path_becomes_absolute_and_a_uri_stays(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x")
    said: list[str] = []
    assert choose_source(str(file), "", tmp_path, said.append).uri == str(file)
    assert choose_source("s3://b/k", "ab", tmp_path, said.append) == source.Source("s3://b/k", "ab")
    assert said == []


def test_without_data_and_without_network_the_user_is_told_and_gets_a_synthetic_cohort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "UCI_URI", "http://127.0.0.1:9/dataset_diabetes.zip")
    said: list[str] = []
    assert choose_source("", "", tmp_path, said.append).uri == FALLBACK_URI
    assert any("cannot be reached" in line for line in said)
    assert any("synthetic" in line for line in said)


def test_the_published_archive_is_taken_from_the_cache_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "content").write_bytes(b"archive")
    known = ingest_source.digest(tmp_path / "content")
    (tmp_path / "content").rename(tmp_path / known)
    monkeypatch.setattr(source, "UCI_URI", "http://127.0.0.1:9/dataset_diabetes.zip")
    monkeypatch.setattr(source, "UCI_SHA256", known)
    chosen = choose_source("", "", tmp_path, lambda text: None)
    assert chosen == source.Source("http://127.0.0.1:9/dataset_diabetes.zip", known)


def test_a_wrong_archive_is_refused_and_not_replaced_by_a_synthetic_cohort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import http.server
    import threading

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"other")

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/dataset_diabetes.zip"
        monkeypatch.setattr(source, "UCI_URI", address)
        with pytest.raises(InputError, match="sha256"):
            choose_source("", "", tmp_path, lambda text: None)
        server.shutdown()

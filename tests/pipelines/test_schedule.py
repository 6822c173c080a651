"""The schedule on a cluster: one recurring run, set anew or deleted."""

from __future__ import annotations

from typing import Any

import pytest
from calling import Call
from fake_kubeflow import FakeKubeflow

from pipelines.schedules import cron_of


def test_a_schedule_takes_the_place_of_the_one_before(published: FakeKubeflow, call: Call) -> None:
    cron = ("--cron", "0 3 * * 1", "--batch", "1", "--host", published.url)
    assert call("schedule", *cron).code == 0
    (first,) = published.recurring
    (asked,) = published.sent("POST", "recurringruns")
    body: dict[str, Any] = asked.body
    assert body["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * 1"}}
    assert (body["mode"], body["no_catchup"], body["max_concurrency"]) == ("ENABLE", True, 1)
    assert body["service_account"] == "readmission-pipeline"
    assert body["runtime_config"] == {"parameters": {"data_batch": 1}}
    (version,) = published.versions
    chosen = body["pipeline_version_reference"]["pipeline_version_id"]
    assert chosen == version.pipeline_version_id
    assert call("schedule", *cron).code == 0
    (second,) = published.recurring
    assert second.recurring_run_id != first.recurring_run_id
    (deleted,) = published.sent("DELETE", f"recurringruns/{first.recurring_run_id}")
    assert deleted.query == {"propagation_policy": "ORPHAN"}


def test_a_schedule_that_is_refused_leaves_the_one_before(
    published: FakeKubeflow, call: Call
) -> None:
    call("schedule", "--cron", "0 3 * * 1", "--host", published.url)
    before = list(published.recurring)
    done = call("schedule", "--cron", "99 3 * * 1", "--host", published.url)
    assert done.code == 1
    assert "400 Schedule cron is not supported" in done.error
    assert published.recurring == before


def test_a_schedule_is_deleted_and_a_missing_one_is_no_error(
    published: FakeKubeflow, call: Call
) -> None:
    call("schedule", "--cron", "0 3 * * 1", "--host", published.url)
    (made,) = published.recurring
    assert "schedule deleted" in call("schedule", "--delete", "--host", published.url).out
    assert published.recurring == []
    (deleted,) = published.sent("DELETE", f"recurringruns/{made.recurring_run_id}")
    assert deleted.query == {"propagation_policy": "ORPHAN"}
    assert "had no schedule" in call("schedule", "--delete", "--host", published.url).out


@pytest.mark.parametrize("arguments", [(), ("--cron", "0 3 * * 1", "--delete")])
def test_a_schedule_is_either_set_or_deleted(call: Call, arguments: tuple[str, ...]) -> None:
    done = call("schedule", *arguments)
    assert done.code == 2
    assert "--cron '0 3 * * 1', or --delete" in done.error


def test_cron_takes_five_fields_or_kfps_six(call: Call) -> None:
    assert cron_of("0 3 * * 1") == "0 0 3 * * 1"
    assert cron_of("30 0 3 * * 1") == "30 0 3 * * 1"
    assert "write five fields" in call("schedule", "--cron", "daily").error

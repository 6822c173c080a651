from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import labels, random_rows, rows_table, tiny_encoder
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from components.errors import HealthPredictError, InputError
from components.features.batch import encode_table
from components.tuning.families import Matrices, families
from components.tuning.search import Budget, Found, planned_trials, ray_runtime, search
from components.tuning.table import trial_table
from components.tuning.threshold import best_f1_threshold
from components.tuning.trial import TrialResult

SEED = 5
BUDGET = Budget(trials=6, seconds=120)  # of seconds more than enough: trials end it
NAMES = ["logistic_regression", "random_forest", "xgboost"]


@pytest.fixture(scope="module")
def data() -> Matrices:
    rows = random_rows(900, seed=20)
    x = encode_table(tiny_encoder(), rows_table(rows))
    y = np.array([label != "NO" for label in labels(rows, seed=21)], np.int8)
    return Matrices(x[:600], y[:600], x[600:], y[600:])


@pytest.fixture(scope="module")
def ray_of_two(data: Matrices) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="r") as folder:
        patch.setenv("RAY_TMPDIR", folder)  # short: the path of a socket has few characters
        with ray_runtime(2, data):
            yield


@pytest.fixture(scope="module")
def told() -> list[TrialResult]:
    return []


@pytest.fixture(scope="module")
def found(
    ray_of_two: None,
    data: Matrices,
    told: list[TrialResult],
    tmp_path_factory: pytest.TempPathFactory,
) -> Found:
    """Search all families once, with a real Ray."""
    assert ray_of_two is None
    return search(families(), data, BUDGET, SEED, tmp_path_factory.mktemp("search"), told.append)


def test_every_family_returns_the_curves_of_its_share_of_the_trials(found: Found) -> None:
    tried = [trial.family for trial in found.trials]
    assert sorted(set(tried)) == NAMES
    assert len(tried) == planned_trials(families(), BUDGET) == 7
    assert tried.count("xgboost") == 4
    assert found.failures == []
    for trial in found.trials:
        resources, scores = zip(*trial.curve, strict=True)
        assert list(resources) == sorted(set(resources))
        assert all(0 < score < 1 for score in scores)
        assert trial.seconds > 0


def test_trials_that_grow_report_several_times_and_tell_where_they_were_best(found: Found) -> None:
    for trial in found.trials:
        if trial.family == "logistic_regression":
            assert trial.curve == [trial.best]
        else:
            assert len(trial.curve) > 1
        assert trial.best in trial.curve
        assert trial.best[1] == max(score for _, score in trial.curve)


def test_boosting_is_judged_after_sixty_rounds_at_the_earliest(found: Found) -> None:
    for trial in found.trials:
        if trial.family == "xgboost":
            assert [rounds for rounds, _ in trial.curve][:3] == [20, 40, 60]


def test_every_trial_is_told_once_when_it_ends(found: Found, told: list[TrialResult]) -> None:
    assert len(told) == len(found.trials)
    assert {id(trial) for trial in told} == {id(trial) for trial in found.trials}


def test_parameters_lie_in_the_space_of_their_family(found: Found) -> None:
    spaces = {family.name: family.space() for family in families()}
    for trial in found.trials:
        assert trial.parameters.keys() == spaces[trial.family].keys()
        for name, domain in spaces[trial.family].items():
            assert domain.lower <= trial.parameters[name] <= domain.upper


def test_the_search_finds_what_there_is_to_find(found: Found) -> None:
    assert max(trial.best[1] for trial in found.trials) > 0.75


def test_a_trials_best_point_is_reached_again_by_a_refit(found: Found, data: Matrices) -> None:
    from sklearn.metrics import roc_auc_score

    from components.tuning.export import predict

    for family in families():
        trial = next(trial for trial in found.trials if trial.family == family.name)
        resource, auc = trial.best
        model = family.fit(trial.parameters, resource, data.x_train, data.y_train, SEED)
        again = roc_auc_score(data.y_validation, predict(model, data.x_validation))
        assert again == pytest.approx(auc, abs=1e-3), family.name


def test_the_table_lists_the_best_trials_first(found: Found) -> None:
    lines = trial_table(found.trials).splitlines()
    scores = [float(line.split("|")[2]) for line in lines[4:]]
    assert lines[0].startswith("7 trials")
    assert len(scores) == 7
    assert scores == sorted(scores, reverse=True)


@pytest.mark.usefixtures("ray_of_two")
def test_a_search_without_any_result_says_why(data: Matrices, tmp_path: Path) -> None:
    uneven = replace(data, y_train=data.y_train[:-1])
    with pytest.raises(HealthPredictError, match=r"no trial .*: logistic_regression: .*samples"):
        search(families()[:1], uneven, Budget(1, 20), SEED, tmp_path, lambda _: None)


@pytest.mark.parametrize(("trials", "seconds"), [(0, 10), (-1, 10), (5, 0), (5, float("nan"))])
def test_a_budget_of_nothing_is_refused(trials: int, seconds: float) -> None:
    with pytest.raises(InputError, match="must be positive"):
        Budget(trials, seconds)


@pytest.mark.parametrize(("trials", "planned"), [(1, 3), (6, 7), (20, 20), (100, 100)])
def test_every_family_gets_a_trial_and_else_its_share(trials: int, planned: int) -> None:
    assert planned_trials(families(), Budget(trials, 1)) == planned


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=1, max_size=40).filter(
        lambda rows: any(label for label, _ in rows)
    )
)
@settings(max_examples=100, deadline=None)
def test_no_other_threshold_gives_a_higher_f1(rows: list[tuple[bool, float]]) -> None:
    truth = np.array([label for label, _ in rows], np.int8)
    risks = np.array([risk for _, risk in rows])
    chosen = best_f1_threshold(truth, risks)
    best = max(f1_score(truth, risks >= cut) for cut in risks)
    assert chosen in risks
    assert f1_score(truth, risks >= chosen) == pytest.approx(best)

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from searches import BUDGET, SEED
from sklearn.metrics import roc_auc_score

from components.errors import HealthPredictError, InputError
from components.tuning.export import predict
from components.tuning.families import families, family_named
from components.tuning.family import Matrices
from components.tuning.journal import Journal
from components.tuning.runtime import ray_runtime
from components.tuning.search import Budget, Found, planned_trials, search
from components.tuning.space import planned
from components.tuning.table import trial_table
from components.tuning.trial import TrialResult

NAMES = ["logistic_regression", "random_forest", "xgboost"]


@pytest.fixture(scope="module")
def told() -> list[TrialResult]:
    return []


@pytest.fixture(scope="module")
def found(
    ray_of_two: int,
    data: Matrices,
    told: list[TrialResult],
    tmp_path_factory: pytest.TempPathFactory,
) -> Found:
    """Search all families once, with a real Ray."""
    folder = tmp_path_factory.mktemp("search")
    journal = Journal(folder / "journal")
    return search(families(), data, BUDGET, SEED, journal, folder, told.append, ray_of_two)


def test_every_family_returns_the_curves_of_its_share_of_the_trials(found: Found) -> None:
    tried = [trial.family for trial in found.trials]
    assert sorted(set(tried)) == NAMES
    assert len(tried) == planned_trials(families(), BUDGET) == 8
    assert tried.count("xgboost") == 6
    assert found.failures == []
    for trial in found.trials:
        resources, scores = zip(*trial.curve, strict=True)
        assert list(resources) == sorted(set(resources))
        assert all(0 < score < 1 for score in scores)
        assert trial.seconds > 0


def test_every_trial_reports_several_times_and_tells_where_it_was_best(found: Found) -> None:
    for trial in found.trials:
        assert len(trial.curve) > 1
        assert trial.best in trial.curve
        assert trial.best[1] == max(score for _, score in trial.curve)


def test_no_trial_is_stopped_before_its_familys_grace(found: Found) -> None:
    for trial in (trial for trial in found.trials if not trial.finished):
        family = family_named(trial.family)
        assert family.progress(trial.parameters, trial.curve[-1][0]) >= family.grace


def test_a_trial_ends_when_it_no_longer_improves(found: Found) -> None:
    for trial in found.trials:
        family, (last, _) = family_named(trial.family), trial.curve[-1]
        if trial.finished and last < family.resource:
            before = max(auc for at, auc in trial.curve if at <= last - family.patience)
            assert max(auc for _, auc in trial.curve) <= before + 2e-4


def test_every_trial_is_told_once_when_it_ends(found: Found, told: list[TrialResult]) -> None:
    assert told == found.trials


def test_the_first_configurations_are_those_that_won_before(found: Found) -> None:
    for family in families():
        own = [trial.parameters for trial in found.trials if trial.family == family.name]
        assert dict(family.start[0]) in own


def test_parameters_lie_in_the_space_of_their_family(found: Found) -> None:
    for trial in found.trials:
        space = family_named(trial.family).space()
        assert trial.parameters.keys() == space.keys()
        for name, domain in space.items():
            assert domain.lower <= trial.parameters[name] <= domain.upper


def test_the_search_finds_what_there_is_to_find(found: Found) -> None:
    assert max(trial.best[1] for trial in found.trials) > 0.75


def test_a_trials_best_point_is_reached_again_by_a_refit(found: Found, data: Matrices) -> None:
    for family in families():
        trial = next(trial for trial in found.trials if trial.family == family.name)
        resource, auc = trial.best
        model = family.fit(trial.parameters, resource, data.x_train, data.y_train, SEED)
        again = roc_auc_score(data.y_validation, predict(model, data.x_validation))
        assert again == pytest.approx(auc, abs=1e-3), family.name


def test_the_table_lists_the_best_trials_first(found: Found) -> None:
    lines = trial_table(found.trials).splitlines()
    scores = [float(line.split("|")[2]) for line in lines[4:]]
    assert lines[0].startswith("8 trials")
    assert len(scores) == 8
    assert scores == sorted(scores, reverse=True)


def test_a_search_without_any_result_says_why(
    ray_of_two: int, data: Matrices, tmp_path: Path
) -> None:
    uneven, journal = replace(data, y_train=data.y_train[:-1]), Journal(tmp_path / "journal")
    with pytest.raises(HealthPredictError, match=r"no trial .*: logistic_regression: .*samples"):
        search(
            families()[:1],
            uneven,
            Budget(1, 20),
            SEED,
            journal,
            tmp_path,
            lambda _: None,
            ray_of_two,
        )


@pytest.mark.parametrize(("trials", "seconds"), [(0, 10), (-1, 10), (5, 0), (5, float("nan"))])
def test_a_budget_of_nothing_is_refused(trials: int, seconds: float) -> None:
    with pytest.raises(InputError, match="must be positive"):
        Budget(trials, seconds)


@pytest.mark.parametrize(("trials", "number"), [(1, 3), (3, 3), (6, 6), (100, 100)])
def test_every_family_gets_a_trial_and_else_its_share(trials: int, number: int) -> None:
    assert planned_trials(families(), Budget(trials, 1)) == number


def test_whenever_the_time_ends_every_family_had_about_its_share() -> None:
    order = planned(families(), 40)
    assert order[:3] == NAMES
    for end in range(3, 41):
        for family in families():
            # Each begins with one trial, which is more than a small share.
            assert abs(order[:end].count(family.name) - family.share * end) < 1.7


def test_a_cluster_that_is_not_there_is_named_in_one_line(data: Matrices) -> None:
    with (
        pytest.raises(InputError, match=r"tune_ray_address: no Ray cluster .*127\.0\.0\.1:1") as e,
        ray_runtime(0, data, "127.0.0.1:1"),
    ):
        pass
    assert "\n" not in str(e.value)

"""KFP face of the features and tune steps: one task, since each task costs two pods."""

from kfp import dsl

from components.images import COMPONENTS_IMAGE


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def train(
    train: dsl.Input[dsl.Dataset],
    validation: dsl.Input[dsl.Dataset],
    target: str,
    max_column_auc: float,
    history: bool,
    trials: int,
    time_budget_s: float,
    seed: int,
    threshold: str,
    ray_address: str,
    distributed: bool,
    sample_rows: int,
    candidate: dsl.Output[dsl.Model],
    table: dsl.Output[dsl.Markdown],
) -> str:
    """Fit the encoder, search three model families with Ray Tune, write the best as the candidate.

    The encoded rows stay in this task: nothing else reads them.

    Args:
        train: encounters of the training patients.
        validation: encounters of the validation patients.
        target: any, or within_30_days.
        max_column_auc: AUC that no single column may exceed: more is a leak.
        history: use what is known of the patients' earlier encounters.
        trials: most trials over all families.
        time_budget_s: most seconds of search.
        seed: of the search and of every fit.
        threshold: rule of the decision threshold: best_f1, sensitivity=0.80 or cost=5.
        ray_address: of a Ray cluster to search on; empty searches in this step's own process.
        distributed: search XGBoost alone on a sample of the patients, and fit the winner on all
            raw rows with Ray Data and Ray Train.
        sample_rows: about how many training rows a sample holds.
        candidate: the candidate bundle.
        table: the best trials.

    Returns:
        The MLflow run with a child run for each trial.
    """
    import tempfile

    from components.events import step
    from components.features.step import run as encode
    from components.settings import load_settings
    from components.tuning.search import Budget
    from components.tuning.step import Plan, run
    from components.tuning.threshold import ThresholdRule

    with tempfile.TemporaryDirectory(prefix="matrices-") as matrices:
        with step("features") as report:
            encode(
                train.path,
                validation.path,
                target,
                max_column_auc,
                matrices,
                report,
                history=history,
                sample_rows=sample_rows if distributed else 0,
            )
        with step("tune") as report:
            budget = Budget(trials, time_budget_s)
            tables = (train.path, validation.path) if distributed else None
            plan = Plan(budget, seed, ThresholdRule.parse(threshold), ray_address.strip(), tables)
            return run(matrices, plan, candidate.path, table.path, load_settings(), report)

"""KFP face of the tune step."""

from kfp import dsl

from components.images import COMPONENTS_IMAGE


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def tune(
    matrices: dsl.Input[dsl.Dataset],
    train: dsl.Input[dsl.Dataset],
    validation: dsl.Input[dsl.Dataset],
    trials: int,
    time_budget_s: float,
    seed: int,
    threshold: str,
    ray_address: str,
    distributed: bool,
    candidate: dsl.Output[dsl.Model],
    table: dsl.Output[dsl.Markdown],
) -> str:
    """Search three model families with Ray Tune and write the best as the candidate bundle.

    Args:
        matrices: the encoder and the encoded rows.
        train: raw training rows; read when the final fit is distributed.
        validation: raw validation rows; the same.
        trials: most trials over all families.
        time_budget_s: most seconds of search.
        seed: of the search and of every fit.
        threshold: rule of the decision threshold: best_f1, sensitivity=0.80 or cost=5.
        ray_address: of a Ray cluster to search on; empty searches in this step's own process.
        distributed: search XGBoost alone on the encoded rows, and fit the winner on all raw rows
            with Ray Data and Ray Train.
        candidate: the candidate bundle.
        table: the best trials.

    Returns:
        The MLflow run with a child run for each trial.
    """
    from components.events import step
    from components.settings import load_settings
    from components.tuning.search import Budget
    from components.tuning.step import Plan, run
    from components.tuning.threshold import ThresholdRule

    with step("tune") as report:
        budget = Budget(trials, time_budget_s)
        tables = (train.path, validation.path) if distributed else None
        plan = Plan(budget, seed, ThresholdRule.parse(threshold), ray_address.strip(), tables)
        return run(matrices.path, plan, candidate.path, table.path, load_settings(), report)

"""The table of trials for the dashboard."""

from __future__ import annotations

from components.tuning.trial import TrialResult

_SHOWN = 10


def trial_table(trials: list[TrialResult]) -> str:
    """Return the ten best trials as a Markdown table, best first."""
    best = sorted(trials, key=lambda trial: -trial.best[1])[:_SHOWN]
    lines = [
        f"{len(trials)} trials, the best {len(best)} by validation AUC:",
        "",
        "| family | AUC | at | seconds | parameters |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join(lines + [_line(trial) for trial in best]) + "\n"


def _line(trial: TrialResult) -> str:
    resource, auc = trial.best
    parameters = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in trial.parameters.items()
    )
    end = "" if trial.finished else " (stopped early)"
    return f"| {trial.family} | {auc:.4f} | {resource}{end} | {trial.seconds:.1f} | {parameters} |"

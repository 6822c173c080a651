"""KFP face of the features step."""

from kfp import dsl

from components.images import COMPONENTS_IMAGE


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def features(
    train: dsl.Input[dsl.Dataset],
    validation: dsl.Input[dsl.Dataset],
    target: str,
    max_column_auc: float,
    history: bool,
    sample: bool,
    sample_rows: int,
    matrices: dsl.Output[dsl.Dataset],
) -> None:
    """Fit the encoder on the training rows and encode training and validation rows.

    Args:
        train: encounters of the training patients.
        validation: encounters of the validation patients.
        target: any, or within_30_days.
        max_column_auc: AUC that no single column may exceed: more is a leak.
        history: use what is known of the patients' earlier encounters.
        sample: encode a sample of the patients instead of all rows.
        sample_rows: about how many training rows a sample holds.
        matrices: the encoder and the encoded rows.
    """
    from components.events import step
    from components.features.step import run

    with step("features") as report:
        run(
            train.path,
            validation.path,
            target,
            max_column_auc,
            matrices.path,
            report,
            history=history,
            sample_rows=sample_rows if sample else 0,
        )

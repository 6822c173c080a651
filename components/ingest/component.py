"""KFP face of the ingest step."""

from kfp import dsl

from components.images import COMPONENTS_IMAGE


@dsl.component(base_image=COMPONENTS_IMAGE, install_kfp_package=False)
def ingest(
    uri: str,
    sha256: str,
    batch: int,
    max_quarantine: float,
    reference: dsl.Output[dsl.Dataset],
    newest: dsl.Output[dsl.Dataset],
    train: dsl.Output[dsl.Dataset],
    validation: dsl.Output[dsl.Dataset],
    test: dsl.Output[dsl.Dataset],
    quarantine: dsl.Output[dsl.Dataset],
    quality: dsl.Output[dsl.HTML],
) -> None:
    """Read the raw file, hold it to the schema, split it by time and by patient.

    Args:
        uri: a path, https://, s3:// or synthetic:rows=N&seed=S.
        sha256: expected checksum of the file; empty when unknown.
        batch: 0 for the initial training, or the number of the newest batch, 1 to 5.
        max_quarantine: largest share of rows that may be set aside for breaking a rule.
        reference: the earliest fifth of the encounters.
        newest: the newest batch.
        train: encounters of the training patients up to the newest batch.
        validation: the same of the validation patients.
        test: encounters of the test patients in the newest batch.
        quarantine: the rows set aside, as text, with their numbers and the rules that they broke.
        quality: the data quality report.
    """
    from components.events import step
    from components.ingest.step import IngestOutputs, run
    from components.settings import load_settings

    with step("ingest") as report:
        outputs = IngestOutputs(
            reference.path,
            newest.path,
            train.path,
            validation.path,
            test.path,
            quarantine.path,
            quality.path,
        )
        run(uri, sha256, batch, max_quarantine, outputs, load_settings(), report)

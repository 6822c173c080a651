"""A bundle's signature in MLflow's form: what a request holds and what an answer holds."""

from __future__ import annotations

import json

from mlflow.models.signature import ModelSignature
from mlflow.types.schema import ColSpec, DataType, Schema

from components.schema import Schema as Encounter


def signature_json(encounter: Encounter) -> str:
    """Return the JSON of an MLflow ``ModelSignature`` over a schema's raw column names.

    Inputs are the features in file order, ``long`` or ``string``; one that has a default is
    optional. Outputs are ``probability`` (``double``) and ``readmitted`` (``boolean``).
    """
    inputs = [
        ColSpec(
            DataType.long if column.is_integer else DataType.string,
            column.name,
            required=column.default is None,
        )
        for column in encounter.features
    ]
    outputs = [ColSpec(DataType.double, "probability"), ColSpec(DataType.boolean, "readmitted")]
    return json.dumps(ModelSignature(Schema(inputs), Schema(outputs)).to_dict())

"""One typed settings object, read from the environment with the prefix ``HEALTH_PREDICT_``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from components.errors import InputError


def _with_scheme(uri: str) -> str:
    if not urlsplit(uri).scheme:
        raise ValueError(f"{uri!r} has no scheme; write it as file:///..., sqlite:///..., s3://...")
    return uri


Uri = Annotated[str, AfterValidator(_with_scheme)]


class TargetName(StrEnum):
    """Where models are served."""

    LOCAL = "local"
    KSERVE = "kserve"


class Settings(BaseSettings):
    """Where the steps find the registry, the bundle store, the data and the served endpoint.

    Nothing has a default that would hide a missing value: on a laptop ``health-predict`` sets all
    of them below ``.health-predict/``, on the cluster one ConfigMap does. ``kserve_url`` says how a
    predictor's Service is reached; another than the cluster's own DNS is for a port that is
    forwarded to this machine. ``notify_webhook`` takes the summary of each run; its path is a
    secret. ``mlflow_url`` and ``kfp_url`` are where a person's browser finds MLflow and KFP.
    """

    model_config = SettingsConfigDict(env_prefix="HEALTH_PREDICT_", extra="ignore", frozen=True)

    tracking_uri: Uri
    artifact_uri: Uri
    bundle_store: Uri
    data_prefix: Uri
    state_dir: Path
    deploy_target: TargetName
    run_id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    min_free_mb: int = Field(default=512, ge=0)
    deploy_port: int = Field(default=0, ge=0, le=65535)
    kserve_url: str = "http://{service}.{namespace}.svc.cluster.local"
    tune_cpus: int = Field(default=0, ge=0)
    notify_webhook: SecretStr | None = None
    mlflow_url: str = ""
    kfp_url: str = ""


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        InputError: a value is missing or malformed; names every one.
    """
    return read_settings()


def read_settings(**given: Any) -> Settings:
    """Return settings with the values given; the others come from the environment.

    Raises:
        InputError: a value is missing or malformed; names every one.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = "; ".join(
            f"HEALTH_PREDICT_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()
        )
        raise InputError(f"settings are incomplete: {wrong}") from None

"""One typed settings object, read from the environment with the prefix ``HEALTH_PREDICT_``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from components.errors import InputError


def _with_scheme(uri: str) -> str:
    if not urlsplit(uri).scheme:
        raise ValueError(f"{uri!r} has no scheme; write it as file:///..., sqlite:///..., s3://...")
    return uri


Uri = Annotated[str, AfterValidator(_with_scheme)]


class Settings(BaseSettings):
    """Where the steps find the registry, the bundle store, the data and the served endpoint.

    Nothing has a default that would hide a missing value: on a laptop ``health-predict`` sets all
    of them below ``.health-predict/``, on the cluster one ConfigMap does.
    """

    model_config = SettingsConfigDict(env_prefix="HEALTH_PREDICT_", extra="ignore", frozen=True)

    tracking_uri: Uri
    artifact_uri: Uri
    bundle_store: Uri
    data_prefix: Uri
    state_dir: Path
    run_id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    min_free_mb: int = Field(default=512, ge=0)
    deploy_port: int = Field(default=0, ge=0, le=65535)
    tune_cpus: int = Field(default=0, ge=0)


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        InputError: a value is missing or malformed; names every one.
    """
    try:
        return Settings()  # type: ignore[call-arg]  # the fields come from the environment
    except ValidationError as error:
        wrong = "; ".join(
            f"HEALTH_PREDICT_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()
        )
        raise InputError(f"settings are incomplete: {wrong}") from None

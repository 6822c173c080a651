"""Ask what was deployed: MLflow answers, and the endpoint serves what MLflow has in production."""

from __future__ import annotations

import sys

import httpx

from components.deployment.target import target_of
from components.errors import HealthPredictError
from components.registry import MODEL
from components.registry.models import Registry
from components.registry.store import BundleStore
from components.settings import Settings, load_settings

TIMEOUT_S = 10.0
TOLERANCE = 1e-5


def main() -> int:
    """Return 0 when all is as it should be; otherwise say what is not."""
    try:
        print(smoke(load_settings()))
    except (HealthPredictError, httpx.HTTPError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def smoke(settings: Settings) -> str:
    """Replay one golden row at the stable version, past the gateway.

    Raises:
        HealthPredictError: the registry and the endpoint do not agree, or an answer is wrong.
    """
    production = Registry(settings).production()
    target = target_of(settings)
    stable = target.serving().stable
    if production is None and stable is None:
        return "MLflow answers; nothing is released yet"
    if production is None or stable is None or production.number != stable.version:
        raise HealthPredictError(f"MLflow has {production} in production, {stable} serves")
    golden = BundleStore(settings.bundle_store).get(stable.bundle_uri).golden
    answer = httpx.post(
        f"{target.url_of(stable.version)}/v1/models/{MODEL}:predict",
        json={"instances": [dict(golden.rows[0])]},
        timeout=TIMEOUT_S,
    )
    found = answer.raise_for_status().json()
    risk, wanted = found["predictions"][0]["probability"], golden.probabilities[0]
    if found["model_version"] != stable.version or not abs(risk - wanted) <= TOLERANCE:
        served = f"version {found['model_version']} answers {risk}"
        raise HealthPredictError(f"{served}, not version {stable.version} {wanted}")
    return f"version {stable.version} serves, and answers a golden row with {risk:.4f}"


if __name__ == "__main__":
    sys.exit(main())

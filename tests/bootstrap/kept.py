"""A registry with a promoted version, its artifacts and its bundles, to be lost and had back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from backends import DATABASE, MlflowServer
from builders import random_rows, tiny_bundle
from promoting import moves, serving

from components.registry.models import Registry
from components.registry.store import BundleStore
from components.registry.tracking import Tracking
from components.settings import Settings

Variables = dict[str, str]
ROOT = Path(__file__).parents[2]
ARTIFACTS = "s3://mlflow/artifacts"
KUBECTL = """
case "$*" in
*" -- printenv"*) echo "$FAKE_ARTIFACTS" ;;
*" exec "*)
	while [[ $1 != -- ]]; do shift; done
	shift
	PGHOST=127.0.0.1 "$@" ;;
"config current-context") echo test ;;
*"get configmap"*BUNDLE_STORE*) echo "$HEALTH_PREDICT_BUNDLE_STORE" ;;
*"get configmap"*DATA_PREFIX*) echo "$HEALTH_PREDICT_DATA_PREFIX" ;;
*jsonpath*image*) echo components:1 ;;
*apply*--field-manager=health-predict-revision*) cat >"$FAKE_APPLIED" ;;
*apply*) cat >/dev/null ;;
esac
"""


@dataclass(frozen=True)
class Kept:
    """The stores of one installation."""

    settings: Settings
    server: MlflowServer
    s3: Any

    def fill(self, folder: Path) -> None:
        """Register two versions with their bundles, promote both in turn, keep an artifact."""
        registry, tracking = Registry(self.settings), Tracking(self.settings)
        store = BundleStore(self.settings.bundle_store)
        for seed in range(2):
            tiny_bundle(folder / str(seed), seed)
            uri = store.put(folder / str(seed))
            run = tracking.start(f"run-{seed}", synthetic=True)
            made = registry.register(uri, run, {"batch": str(seed), "family": "any"})
            before = registry.production()
            expected = before.number if before else ""
            registry.promote(made.number, expected=expected, reason="test")
            tracking.log_file(run, folder / str(seed) / "facts.json", "facts")

    def fill_more(self) -> None:
        """Put the first version back in production."""
        Registry(self.settings).promote("1", expected="2", reason="test")

    def rename(self, table: str, to: str) -> None:
        """Rename a table of MLflow's."""
        self.server.database.execute(f"ALTER TABLE {table} RENAME TO {to}")

    def facts(self) -> dict[str, Any]:
        """Return what a person sees: versions, tags, aliases, moves, artifacts, served risks."""
        registry = Registry(self.settings)
        versions = [registry.version(number) for number in ("1", "2")]
        rows = random_rows(5, seed=9)
        bundles = [BundleStore(self.settings.bundle_store).get(v.bundle_uri) for v in versions]
        return {
            "versions": [(v.number, v.bundle_uri, dict(v.tags)) for v in versions],
            "serving": serving(registry),
            "moves": moves(registry),
            "risks": [bundle.score_rows(rows).tolist() for bundle in bundles],
            "artifacts": sorted(self.s3_objects("mlflow")),
        }

    def lose(self) -> None:
        """Drop the database and empty the buckets, as a new machine has them."""
        self._sql(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        self._sql(f"CREATE DATABASE {DATABASE}")
        for bucket in ("mlflow", self._bucket):
            for key in self.s3_objects(bucket):
                self.s3.delete_object(Bucket=bucket, Key=key)
            self.s3.delete_bucket(Bucket=bucket)
            self.s3.create_bucket(Bucket=bucket)

    def s3_objects(self, bucket: str) -> dict[str, str]:
        """Return the objects of a bucket with their digests."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {o["Key"]: o["ETag"] for page in pages for o in page.get("Contents", [])}

    @property
    def libpq(self) -> dict[str, str]:
        """Return what libpq is told by the environment, but for the host."""
        port = str(self.server.database.port)
        return {"PGPORT": port, "PGUSER": DATABASE, "PGDATABASE": DATABASE}

    @property
    def _bucket(self) -> str:
        return self.settings.bundle_store.removeprefix("s3://").split("/")[0]

    def _sql(self, statement: str) -> None:
        self.server.database.execute(statement, "postgres")


def environment(kept: Kept, way: str, applied: Path, put: Callable[[str, str], None]) -> Variables:
    """Return the environment of the scripts: straight to the services, or past a fake kubectl."""
    found = kept.libpq
    if way == "direct":
        stores = {"ARTIFACTS_DESTINATION": ARTIFACTS}
        stores["HEALTH_PREDICT_BUNDLE_STORE"] = kept.settings.bundle_store
        stores["HEALTH_PREDICT_DATA_PREFIX"] = kept.settings.data_prefix
        return found | stores | {"PGHOST": "127.0.0.1"}
    put("kubectl", KUBECTL)
    put("python", f'exec {sys.executable} "$@"')
    pod = yaml.safe_load((ROOT / "cluster/bootstrap/store-pod.yaml").read_text())
    plain = {e["name"]: e["value"] for e in pod["spec"]["containers"][0]["env"]}
    del plain["HOME"]
    # What the pod has from the settings' ConfigMap.
    names = ("tracking_uri", "artifact_uri", "bundle_store", "data_prefix", "state_dir")
    given = {f"HEALTH_PREDICT_{n.upper()}": str(getattr(kept.settings, n)) for n in names}
    fakes = {"FAKE_ARTIFACTS": ARTIFACTS}
    target = {"HEALTH_PREDICT_DEPLOY_TARGET": "kserve", "FAKE_APPLIED": str(applied)}
    return found | plain | given | fakes | target

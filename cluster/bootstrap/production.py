"""Print the InferenceService of the version in production, for kubectl apply; nothing without one.

restore.sh runs it in a pod with the steps' image and settings.
"""

from __future__ import annotations

import json

from components.deployment.kserve.manifest import revision
from components.deployment.target import Revision
from components.registry.models import Registry
from components.settings import load_settings

found = Registry(load_settings()).production()
if found:
    wanted = Revision(found.number, found.bundle_uri, found.tags.get("run_id", ""))
    print(json.dumps(revision(wanted)))

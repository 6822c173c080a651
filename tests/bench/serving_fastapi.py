"""A FastAPI app of the earlier system's kind: a frame, scikit-learn's transformers, XGBoost.

``python -m bench.serving_fastapi PIPELINE PORT``
"""

from __future__ import annotations

import sys
from typing import Any

import joblib  # type: ignore[import-untyped]
import pandas as pd
import uvicorn
from bench.serving_plan import HOST
from fastapi import FastAPI
from pydantic import BaseModel

from components.registry import MODEL

THRESHOLD = 0.5


class Body(BaseModel):
    """A V1 body."""

    instances: list[dict[str, int | str]]


def application(pipeline: Any) -> FastAPI:
    """Return the app: V1's path, and the ready path of the other targets."""
    app = FastAPI()

    # On the event loop: a thread for each request would only cost more.
    @app.post(f"/v1/models/{MODEL}:predict")
    async def predict(body: Body) -> dict[str, Any]:
        risks = pipeline.predict_proba(pd.DataFrame(body.instances))[:, 1].tolist()
        return {"predictions": [{"probability": p, "readmitted": p >= THRESHOLD} for p in risks]}

    @app.get(f"/v2/models/{MODEL}/ready")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    return app


def main() -> int:
    """Serve until a signal ends the process."""
    app = application(joblib.load(sys.argv[1]))
    uvicorn.run(app, host=HOST, port=int(sys.argv[2]), log_level="warning", access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())

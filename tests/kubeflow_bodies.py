"""Bodies of Kubeflow Pipelines' API, held to the models of ``kfp_server_api``."""

from __future__ import annotations

import json
import re
from email.parser import BytesParser
from typing import Any

import kfp_server_api as api
import yaml
from google.protobuf.json_format import ParseDict
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec, PlatformSpec

JSON = api.ApiClient()


class Refused(Exception):
    """An answer with another status than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def check_cron(text: str) -> None:
    """Refuse what is no cron expression of six fields."""
    fields = text.split()
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if len(fields) != 6 or max(numbers, default=0) > 59:
        raise Refused(400, "Schedule cron is not supported(error: invalid field)")


def one(held: list[Any], key: str, value: str) -> Any:
    """Return what is held under an id."""
    found = [item for item in held if getattr(item, key) == value]
    if not found:
        raise Refused(404, f"{key} {value} not found")
    return found[0]


def modelled(body: Any, model: str) -> Any:
    """Read a body as one of the models, and refuse a field that it does not know."""
    known = set(getattr(api, model).attribute_map.values())
    if unknown := set(body) - known:
        raise Refused(400, f"unknown field {sorted(unknown)}")

    class Response:
        data = json.dumps(body)

    return JSON.deserialize(Response, model)


def uploaded(raw: bytes, kind: str) -> dict[str, Any]:
    """Read the file of a multipart body, and hold it to KFP's own messages."""
    message: Any = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw)
    (part,) = message.get_payload()
    spec, platform = yaml.load_all(part.get_payload(decode=True), Loader=yaml.CSafeLoader)
    ParseDict(spec, PipelineSpec())
    ParseDict(platform, PlatformSpec())
    return {"pipeline_spec": spec, "platform_spec": platform}

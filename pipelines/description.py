"""What a pipeline's parameters mean, as the text that KFP's dashboard shows of a pipeline.

The dashboard lists parameters by name alone, in alphabetical order; it shows a pipeline's
description as Markdown.
"""

from __future__ import annotations

import json
from itertools import groupby

from kfp.dsl.base_component import BaseComponent
from kfp.dsl.structures import InputSpec

from components.errors import one_line


def describe(pipeline: BaseComponent) -> str:
    """Return a pipeline's summary, then its parameters with defaults and help, by prefix."""
    parts = [pipeline.description or ""]
    inputs = pipeline.component_spec.inputs or {}
    for prefix, group in groupby(inputs.items(), key=lambda item: item[0].partition("_")[0]):
        lines = [_line(name, spec) for name, spec in group]
        parts.append("\n".join([f"**{prefix}**", "", *lines]))
    return "\n\n".join(parts)


def _line(name: str, spec: InputSpec) -> str:
    help_text = one_line(spec.description or "")
    return f"- `{name}` ({json.dumps(spec.default)}): {help_text}"

"""Server-side apply as a Kubernetes API server does it, as far as the tests see it.

Recorded from kube-apiserver 1.36 with KServe's schema: maps are merged field by field, lists belong
to one owner as a whole, but for ``env``, whose items are known by their names.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
Path = tuple[str, ...]
Manager = tuple[str, str]
_METADATA = ("annotations", "labels")
_KEYED = "env"


class FieldConflict(Exception):
    """Somebody else owns fields that an apply would change."""

    def __init__(self, owned: list[tuple[str, Path]]) -> None:
        super().__init__(owned)
        self.owned = owned


@dataclass
class Owners:
    """Which manager owns which fields of one object."""

    fields: dict[Manager, set[Path]] = field(default_factory=dict)

    def copy(self) -> Owners:
        return Owners({manager: set(paths) for manager, paths in self.fields.items()})

    def others(self, me: Manager) -> list[tuple[Manager, set[Path]]]:
        return [(manager, paths) for manager, paths in self.fields.items() if manager != me]

    def take(self, me: Manager, paths: set[Path]) -> None:
        """Take fields from everybody else."""
        for _, theirs in self.others(me):
            theirs -= paths

    def tidy(self) -> None:
        self.fields = {manager: paths for manager, paths in self.fields.items() if paths}

    def managed_fields(self, api_version: str) -> list[Body]:
        return [
            {
                "manager": name,
                "operation": operation,
                "apiVersion": api_version,
                "time": "2026-01-01T00:00:00Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": _tree(paths),
            }
            for (name, operation), paths in self.fields.items()
        ]


def applied(live: Body, owners: Owners, config: Body, manager: str, force: bool) -> Body:
    """Return the object after an apply; the owners are changed with it.

    Raises:
        FieldConflict: without ``force``, when it would change what somebody else owns.
    """
    me, wanted = (manager, "Apply"), _leaves(_content(config))
    changed = {path for path in wanted if value_at(live, path) != value_at(config, path)}
    taken = [
        (who[0], path) for who, theirs in owners.others(me) for path in sorted(changed & theirs)
    ]
    if taken and not force:
        raise FieldConflict(taken)
    result = copy.deepcopy(live)
    for path in wanted:
        _put(result, path, copy.deepcopy(value_at(config, path)))
    owners.take(me, changed)
    for path in owners.fields.get(me, set()) - wanted:
        if not any(path in theirs for _, theirs in owners.others(me)):
            _remove(result, path)
    owners.fields[me] = wanted
    owners.tidy()
    return result


def updated(live: Body, owners: Owners, new: Body, manager: str) -> None:
    """Note that an update or a patch changed the object: what it changed is the manager's."""
    me, before, after = (manager, "Update"), _leaves(_content(live)), _leaves(_content(new))
    changed = {path for path in after if value_at(live, path) != value_at(new, path)}
    gone = before - after
    owners.take(me, changed | gone)
    owners.fields[me] = (owners.fields.get(me, set()) | changed) - gone
    owners.tidy()


def merged(live: Any, patch: Any) -> Any:
    """Return a JSON merge patch's result (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def value_at(body: Body, path: Path) -> Any:
    """Return the value of a field; ``None`` when it is not there."""
    found: Any = body
    for key in path:
        if isinstance(found, list):
            found = next((item for item in found if item["name"] == key), None)
        else:
            found = found.get(key) if isinstance(found, dict) else None
    return found


def _content(body: Body) -> Body:
    metadata = {k: v for k, v in body.get("metadata", {}).items() if k in _METADATA}
    spec = {k: v for k, v in body.items() if k == "spec"}
    return spec | ({"metadata": metadata} if metadata else {})


def _leaves(value: Any, at: Path = ()) -> set[Path]:
    if isinstance(value, dict) and value:
        return {path for key, inner in value.items() for path in _leaves(inner, (*at, key))}
    if isinstance(value, list) and at and at[-1] == _KEYED:
        return {(*at, item["name"]) for item in value}
    return {at} if at else set()


def _put(body: Body, path: Path, value: Any) -> None:
    *way, last = path
    inner: Any = body
    for key in way:
        inner = inner.setdefault(key, [] if key == _KEYED else {})
    if isinstance(inner, list):
        inner[:] = [item for item in inner if item["name"] != last] + [value]
    else:
        inner[last] = value


def _remove(body: Body, path: Path) -> None:
    """Remove a field, and what it leaves empty."""
    *way, last = path
    inner = value_at(body, tuple(way))
    if isinstance(inner, list):
        inner[:] = [item for item in inner if item["name"] != last]
    elif inner is not None:
        inner.pop(last, None)
    if not inner and way:
        _remove(body, tuple(way))


def _tree(paths: set[Path]) -> Body:
    tree: Body = {}
    for path in sorted(paths):
        inner = tree
        for at, key in enumerate(path):
            is_item = at > 0 and path[at - 1] == _KEYED
            name = f'k:{{"name":"{key}"}}' if is_item else f"f:{key}"
            inner = inner.setdefault(name, {})
    return tree

"""Envoy's configuration: one listener, the model servers, and who gets which share.

Routes and clusters lie in files that Envoy watches (its file-based discovery), so that a share
changes without a restart. Reference: Envoy 1.40, "xDS configuration API", filesystem.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.deployment.local.ports import HOST
from components.deployment.local.server import Server

Json = dict[str, Any]

STATE_PATH = "/-/routes"
"""Answers with the digest of the routes in force: proof that a change has arrived."""

CLUSTERS_PATH = "/clusters?format=json"
"""Of Envoy's own pages: the servers that it knows."""

_TYPE = "type.googleapis.com/envoy"
_MOST_BYTES = 32 * 2**20  # as the model server's own limit: up to it a request can be repeated
_REQUEST_TIMEOUT, _TRY_TIMEOUT = "120s", "30s"


@dataclass(frozen=True, slots=True)
class Shares:
    """Who answers: the stable server, a canary, and the canary's share in percent."""

    stable: Server | None
    canary: Server | None
    percent: int


def clusters(shares: Shares, leaving: Iterable[Server]) -> tuple[Json, set[str]]:
    """Return the servers that Envoy is to know, those with a share and others, and their names.

    The cluster of every other server holds the stable one as its second priority: a request that
    it does not answer is repeated there. A prediction changes nothing, so it may be repeated.
    """
    found = []
    if shares.stable:
        found.append(_cluster(shares.stable))
    if shares.canary:
        found.append(_cluster(shares.canary, shares.stable))
    found += [_cluster(server, shares.stable) for server in leaving]
    return {"resources": found}, {cluster["name"] for cluster in found}


def routes(shares: Shares) -> tuple[Json, str]:
    """Return the routes, and their digest as :data:`STATE_PATH` gives it."""
    found = [_weighted(shares)] if shares.stable or shares.percent else [_nothing()]
    digest = hashlib.sha256(json.dumps(found).encode()).hexdigest()
    body = {"inline_string": digest}
    found.insert(0, {"match": {"path": STATE_PATH}, "direct_response": _direct(200, body)})
    host = {"name": "readmission", "domains": ["*"], "routes": found}
    made = {
        "@type": f"{_TYPE}.config.route.v3.RouteConfiguration",
        "name": "readmission",
        "virtual_hosts": [{**host, "request_body_buffer_limit": _MOST_BYTES}],
    }
    return {"resources": [made]}, digest


def bootstrap(port: int, folder: Path) -> Json:
    """Return what Envoy starts with: it listens on ``port`` and watches ``folder``."""
    return {
        "node": {"id": "endpoint", "cluster": "health-predict"},
        # Of its own pages Envoy shows the servers that it knows, and no other.
        "admin": {"address": _address(0), "allow_paths": [{"exact": CLUSTERS_PATH}]},
        "dynamic_resources": {"cds_config": _watched(folder / "clusters.json", folder)},
        "static_resources": {"listeners": [_listener(port, folder)]},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{_TYPE}.extensions.resource_monitors.downstream_connections"
                        ".v3.DownstreamConnectionsConfig",
                        "max_active_downstream_connections": 10_000,
                    },
                }
            ]
        },
    }


def name(server: Server) -> str:
    """Return the name of a server's cluster: one for each process that ever served."""
    return f"version-{server.revision.version}-{server.port}"


def _cluster(first: Server, second: Server | None = None) -> Json:
    servers = [first, second] if second else [first]
    endpoints = [
        {"priority": priority, "lb_endpoints": [{"endpoint": {"address": _address(server.port)}}]}
        for priority, server in enumerate(servers)
    ]
    return {
        "@type": f"{_TYPE}.config.cluster.v3.Cluster",
        "name": name(first),
        "type": "STATIC",
        "connect_timeout": "2s",
        "per_connection_buffer_limit_bytes": _MOST_BYTES,
        "load_assignment": {"cluster_name": name(first), "endpoints": endpoints},
    }


def _weighted(shares: Shares) -> Json:
    weights = []
    if shares.stable:
        weights.append({"name": name(shares.stable), "weight": 100 - shares.percent})
    if shares.canary and shares.percent:
        weights.append({"name": name(shares.canary), "weight": shares.percent})
    return {
        "match": {"prefix": "/"},
        "route": _action({"weighted_clusters": {"clusters": weights}}),
    }


def _action(to: Json) -> Json:
    retry = {
        "retry_on": "connect-failure,refused-stream,reset,retriable-status-codes",
        "retriable_status_codes": [500, 502, 503, 504],
        "num_retries": 3,
        "per_try_timeout": _TRY_TIMEOUT,
        "retry_priority": {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {
                "@type": f"{_TYPE}.extensions.retry.priority.previous_priorities"
                ".v3.PreviousPrioritiesConfig",
                "update_frequency": 1,
            },
        },
    }
    return {**to, "timeout": _REQUEST_TIMEOUT, "retry_policy": retry}


def _nothing() -> Json:
    said = {"inline_string": "nothing serves yet"}
    return {"match": {"prefix": "/"}, "direct_response": _direct(503, said)}


def _direct(status: int, body: Json) -> Json:
    return {"status": status, "body": body}


def _listener(port: int, folder: Path) -> Json:
    manager = {
        "@type": f"{_TYPE}.extensions.filters.network.http_connection_manager"
        ".v3.HttpConnectionManager",
        "stat_prefix": "endpoint",
        "rds": {
            "route_config_name": "readmission",
            "config_source": _watched(folder / "routes.json", folder),
        },
        "http_filters": [_router()],
        "http_protocol_options": {"accept_http_10": True},
        "generate_request_id": False,  # the model server makes one, and logs it
        "server_header_transformation": "PASS_THROUGH",
        "local_reply_config": {"mappers": [_refusals()]},
    }
    return {
        "name": "endpoint",
        "address": _address(port),
        "per_connection_buffer_limit_bytes": _MOST_BYTES,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ]
            }
        ],
    }


def _refusals() -> Json:
    """Return what gives Envoy's own refusals the form of the model server's."""
    errors = {"default_value": 400, "runtime_key": "least_error_status"}
    return {
        "filter": {"status_code_filter": {"comparison": {"op": "GE", "value": errors}}},
        "body_format_override": {"json_format": {"error": "%LOCAL_REPLY_BODY%", "details": []}},
    }


def _router() -> Json:
    router = f"{_TYPE}.extensions.filters.http.router.v3.Router"
    config = {"@type": router, "suppress_envoy_headers": True}
    return {"name": "envoy.filters.http.router", "typed_config": config}


def _watched(path: Path, folder: Path) -> Json:
    source = {"path": str(path), "watched_directory": {"path": str(folder)}}
    return {"path_config_source": source, "resource_api_version": "V3"}


def _address(port: int) -> Json:
    return {"socket_address": {"address": HOST, "port_value": port}}

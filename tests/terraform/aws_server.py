"""moto's server on the loopback: python aws_server.py PORT.

moto knows no conditions of policies, so that a bucket which denies what comes without TLS would
deny everything. Here that one condition is held: its statement says nothing of other requests.
"""

from __future__ import annotations

import os
import sys
from typing import Any

WITHOUT_TLS = {"Bool": {"aws:SecureTransport": "false"}}


def main(port: str) -> None:
    """Serve until the process ends."""
    # Else the policies that AWS itself keeps would not be there.
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    from moto.iam.access_control import IAMPolicyStatement, PermissionResult
    from moto.server import main as serve

    evaluate = IAMPolicyStatement.is_action_permitted

    def with_condition(self: Any, *args: Any, **options: Any) -> PermissionResult:
        if self._statement.get("Condition") == WITHOUT_TLS:
            return PermissionResult.NEUTRAL
        return evaluate(self, *args, **options)

    IAMPolicyStatement.is_action_permitted = with_condition  # type: ignore[method-assign]
    serve(["-H", "127.0.0.1", "-p", port])


if __name__ == "__main__":
    main(sys.argv[1])

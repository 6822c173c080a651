"""``python -m components --self-test``: prove that an image can do the steps."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from components.errors import HealthPredictError


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when the self-test passes; steps themselves are started by Kubeflow Pipelines."""
    parser = argparse.ArgumentParser(
        "python -m components", allow_abbrev=False, description=__doc__
    )
    parser.add_argument(
        "--self-test", action="store_true", required=True, help="run the steps on a small cohort"
    )
    parser.parse_args(arguments)
    from components.selftest import self_test

    try:
        print(self_test())
    except HealthPredictError as error:
        print(f"self-test: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

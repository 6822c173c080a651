"""laptop.sh: Minikube first, then the installation."""

from __future__ import annotations

from bootstrap.fakes import Sandbox
from manifests.versions import versions

START = "cluster/node/minikube-start"


def test_minikube_starts_at_the_pinned_version_and_all_is_installed(installing: Sandbox) -> None:
    installing.fake_at(START, 'echo "$KUBERNETES_VERSION [$OIDC_ISSUER]"')
    done = installing.run("laptop.sh")
    assert done.returncode == 0, done.stderr
    assert f"{versions()['KUBERNETES_VERSION']} []\n" in done.stdout
    assert installing.calls()[0].startswith("minikube-start")
    assert installing.calls("skaffold")[0] == "skaffold run -m platform"


def test_when_minikube_does_not_start_nothing_is_installed(installing: Sandbox) -> None:
    installing.fake_at(START, "echo 'error: no memory' >&2; exit 2")
    done = installing.run("laptop.sh")
    assert done.returncode == 2
    assert done.stderr == "error: no memory\n"
    assert installing.calls("skaffold") == []

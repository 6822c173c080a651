"""How many pods a run of a pipeline takes on a cluster."""

from __future__ import annotations

from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, DagSpec, PipelineSpec

DRIVER = 1
TASK = DRIVER + 1
_BRANCHES = "comp-condition-branches"


def pods(spec: PipelineSpec) -> int:
    """Return the pods of a run's longest path, without retries.

    KFP 2.17 (backend/src/v2/compiler/argocompiler) runs a driver and an executor for each task, and
    a driver for each group: the root, an exit handler, a condition, and the branches of one. A
    condition's driver is what evaluates it, so one that is not entered has it too.

    Raises:
        ValueError: the pipeline has a loop, whose turns are known at run time only.
    """
    return DRIVER + _of_dag(spec.root.dag, dict(spec.components), exclusive=False)


def _of_dag(dag: DagSpec, components: dict[str, ComponentSpec], *, exclusive: bool) -> int:
    """Return the pods of a group's tasks; of ``exclusive`` ones, one is entered."""
    own, inner = 0, [0]
    for name, task in dag.tasks.items():
        if task.WhichOneof("iterator"):
            raise ValueError(f"{name} is a loop: how many pods it takes is known at run time only")
        component = task.component_ref.name
        found = components[component]
        if found.WhichOneof("implementation") == "dag":
            own += DRIVER
            inner.append(_of_dag(found.dag, components, exclusive=component.startswith(_BRANCHES)))
        else:
            own += TASK
    return own + (max(inner) if exclusive else sum(inner))

"""Saved views of a sweep in MLflow's web interface: tables with the columns that matter, and charts.

MLflow keeps a view as a tag of the experiment, ``mlflow.sharedViewState.ID``; an address that names the ID
opens it. What a view holds is named as in MLflow 3.17.
"""

import json
from collections.abc import Mapping
from typing import Any

from analysis.aims import PASSES
from search.definition.select import Aim
from search.definition.space import bounds
from search.definition.sweep import SECTIONS, Sweep
from search.tracking.tags import CONFIGURATIONS, KIND

_TAG = "mlflow.sharedViewState."
_ATTACK = ("epsilon", "p", "k", "targets", "control")
_PARALLEL = ("epsilon", "p", "k")
_WIDTHS = {"method": 90, "epsilon": 70, "p": 50, "k": 40, "targets": 120, "control": 90, "seed": 60}
VIEWS = {CONFIGURATIONS: "configurations", "trial": "trials"}
"""The kinds of runs that have a view, and what people call them."""


def view_id(kind: str) -> str:
    """The name of each kind's view in addresses."""
    return f"dropattack-{VIEWS[kind]}"


def address(server: str, experiment: str, kind: str = CONFIGURATIONS) -> str:
    """The address of a view.

    Args:
        server: Address of the server.
        experiment: Id of the sweep's experiment.
        kind: A key of `VIEWS`.
    """
    view = f"workflowType=machine_learning&viewStateShareKey={view_id(kind)}"
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs?{view}"


def view_tags(sweep: Sweep, created: int) -> dict[str, str]:
    """The views of a sweep, as tags of its experiment.

    Args:
        sweep: The sweep.
        created: When the experiment was made, in milliseconds.
    """
    found = {}
    for kind, name in VIEWS.items():
        view = {
            "name": f"{sweep.name}: {name}",
            "createdAt": created,
            "updatedAt": created,
            "state": json.dumps(_state(sweep, kind), sort_keys=True),
        }
        found[f"{_TAG}{view_id(kind)}"] = json.dumps(view, sort_keys=True)
    return found


def _searched(sweep: Sweep) -> dict[str, bool]:
    """Params with several values in a sweep and no column of their own, and whether all values are numbers.

    Settings of training, data and model are among them, and those of other methods.
    """
    found: dict[str, bool] = {}
    for stage in sweep.stages:
        spaces = [
            (name, dimension)
            for many in stage.methods.values()
            for own in many
            for name, dimension in own.items()
        ]
        spaces += [
            (f"{s}.{n}", dimension) for s in SECTIONS for n, dimension in sweep.section(stage, s).items()
        ]
        for name, dimension in spaces:
            ends = bounds(dimension)
            if len(set(ends)) > 1 and name not in _ATTACK:
                numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
                found[name] = found.get(name, True) and numbers
    return found


def _measured(sweep: Sweep) -> list[Aim]:
    """What a sweep aims at and runs have a metric of, what decides before the others."""
    aims = [aim for aim in sweep.select.aims if aim.metric != PASSES]
    decides = sweep.select.rule.decides.metric
    return sorted(aims, key=lambda aim: aim.metric != decides)


def _state(sweep: Sweep, kind: str) -> Mapping[str, Any]:
    """Which runs a view shows, in which order, with which columns and charts."""
    aim, *others = _measured(sweep)
    valid, test = f"best/{aim.column}", f"best/test_{aim.metric}"
    searched = _searched(sweep)
    params = [*(["workload"] if len(sweep.workloads) > 1 else []), "method", *_ATTACK, *searched]
    metrics = [valid, test]
    if kind == CONFIGURATIONS:
        metrics = [valid, test, "best/seeds", f"{test}_low", f"{test}_high"]
    else:
        params.append("seed")
    metrics += [f"best/{name}" for other in others for name in (other.column, f"test_{other.metric}")]
    columns = [*(f"params.`{name}`" for name in params), *(f"metrics.`{name}`" for name in metrics)]
    return {
        "searchFilter": f"tags.`{KIND}` = '{kind}'",
        "orderByKey": f"metrics.`{valid}`",
        "orderByAsc": aim.sign < 0,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": {f"params.`{name}`": width for name, width in _WIDTHS.items()},
        "runsHiddenMode": "FIRST_20_RUNS",
        "hideEmptyCharts": True,
        "isAccordionReordered": True,
        "compareRunSections": [_section("what", "What matters")],
        "compareRunCharts": [
            _chart(
                "PARALLEL",
                "map",
                selectedParams=[*_PARALLEL, *(name for name, numbers in searched.items() if numbers)],
                selectedMetrics=[valid],
                showAllRuns=True,
            ),
            *(_chart("BAR", name, metricKey=name, displayName=name) for name in (valid, test)),
        ],
    }


def _section(uuid: str, name: str) -> Mapping[str, Any]:
    standing = {"display": True, "isReordered": False, "deleted": False, "isGenerated": False}
    return {"uuid": uuid, "name": name, **standing}


def _chart(kind: str, uuid: str, **more: Any) -> Mapping[str, Any]:
    standing = {"metricSectionId": "what", "deleted": False, "isGenerated": False, "runsCountToCompare": 20}
    return {"type": kind, "uuid": uuid, **standing, **more}

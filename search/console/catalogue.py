"""How the command line lists what a sweep may name: workloads, methods, targets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dropattack import INPUT, Method, UsageError, method_named, registered
from dropattack.settings import Settings
from search.console.columns import WIDTH, first_sentence, show_columns, show_facts
from search.console.terminal import show_line
from trainables.recipe.settings import TrainingSettings
from trainables.target_sets import layer_of
from trainables.workload import Workload
from trainables.workloads import workload_named, workloads

_ALWAYS_SHOWN = ("optimizer", "learning_rate", "schedule", "batch_size", "epochs")
"""Settings of training that are shown even at their usual values."""
START_WORKLOAD, START_METHOD = "digits-lenet5", "dropattack"
"""What to begin with."""


def show_workloads(console: Console) -> None:
    """All workloads, a line each."""
    found = sorted(workloads().values(), key=lambda workload: workload.name != START_WORKLOAD)
    show_columns(console, [(_mark(w.name, START_WORKLOAD), w.name, first_sentence(w.summary)) for w in found])
    show_line(console, "* to begin with: it needs no download")
    show_line(console, "`dropattack workloads NAME` shows one in full")


def show_workload(console: Console, name: str) -> None:
    """One workload: its data, targets, metrics and settings."""
    values = plain_workload(name)
    targets = values["targets"] or [_of_the_data(workload_named(name))]
    facts = [("dataset", values["dataset"]), ("targets", " ".join(targets))]
    facts += [("metrics", " ".join(values["metrics"]))]
    usual = TrainingSettings().to_dict()
    training = {n: v for n, v in values["training"].items() if n in _ALWAYS_SHOWN or v != usual[n]}
    for section, own in (("training", training), ("data", values["data"]), ("model", values["model"])):
        text = ", ".join(f"{setting} {value}" for setting, value in own.items() if value != "")
        facts += [(section, text)] if text else []
    show_facts(console, f"{name}: {values['summary']}", facts)
    show_line(console, f"`dropattack targets {name}` shows the shapes of its targets")


def plain_workloads() -> list[dict[str, Any]]:
    """All workloads as plain values for JSON."""
    return [_plain_workload(workload) for workload in workloads().values()]


def plain_workload(name: str) -> dict[str, Any]:
    """One workload as plain values for JSON.

    Raises:
        UsageError: There is none of that name.
    """
    return _plain_workload(workload_named(name))


def _plain_workload(workload: Workload) -> dict[str, Any]:
    return {
        "name": workload.name,
        "summary": workload.summary,
        "dataset": workload.dataset.name,
        "targets": None if _of_the_data(workload) else workload.target_names(),
        "metrics": list(workload.objective.names),
        "training": workload.training.to_dict(),
        "data": workload.data_settings().to_dict(),
        "model": workload.model_settings().to_dict(),
        "recommended": workload.name == START_WORKLOAD,
    }


def _of_the_data(workload: Workload) -> str:
    """Why a workload's targets are unknown, if naming them needs data; else empty."""
    try:
        workload.target_names()
    except UsageError as error:
        return f"named once the model can be built: {error}"
    return ""


def show_methods(console: Console) -> None:
    """All methods, a line each."""
    found = sorted(registered().items(), key=lambda item: (item[0] != START_METHOD, item[0]))
    rows = [(_mark(name, START_METHOD), name, first_sentence(method.summary)) for name, method in found]
    show_columns(console, rows)
    show_line(console, "* to begin with")
    show_line(console, "`dropattack methods NAME` shows one with its hyperparameters")


def show_method(console: Console, name: str) -> None:
    """One method with its hyperparameters: default, range and meaning.

    Raises:
        UsageError: There is none of that name.
    """
    method = method_named(name)
    facts = [("equation", method.equation)] if method.equation else []
    show_facts(console, f"{name}: {method.summary}", [*facts, ("source", method.source)])
    table = Table(box=None, show_header=False, pad_edge=False)
    for each in _hyperparameters(method):
        default = each["default"]
        shown = f"{default:.4g}" if isinstance(default, float) else str(default)
        table.add_row(f"  {each['name']}", shown, each["range"], each["doc"])
    console.print(table, width=min(console.width, WIDTH))


def plain_methods() -> list[dict[str, Any]]:
    """All methods as plain values for JSON."""
    return [plain_method(name) for name in sorted(registered())]


def plain_method(name: str) -> dict[str, Any]:
    """One method as plain values for JSON.

    Raises:
        UsageError: There is none of that name.
    """
    method = method_named(name)
    return {
        "name": name,
        "summary": method.summary,
        "equation": method.equation,
        "source": method.source,
        "hyperparameters": list(_hyperparameters(method)),
        "recommended": name == START_METHOD,
    }


def _hyperparameters(method: type[Method[Any]]) -> Iterator[dict[str, Any]]:
    settings: type[Settings] = method.settings_type
    defaults = settings().to_dict()
    for name, allowed in settings.ranges().items():
        yield {
            "name": name,
            "default": defaults[name],
            "range": str(allowed),
            "low": allowed.low,
            "high": allowed.high,
            "choices": list(allowed.choices) if allowed.choices is not None else None,
            "doc": allowed.doc,
        }


def show_targets(console: Console, name: str, data: Path) -> None:
    """What can be attacked in a workload's model, from the input to the output."""
    table = Table("target", "parameter", "shape", title=name)
    for column in ("depth", "size", "initial norm"):
        table.add_column(column, justify="right")
    for each in plain_targets(name, data):
        if each["parameter"] is None:
            table.add_row(each["target"], "the batch itself", "", "0", "", "")
            continue
        shape = "×".join(map(str, each["shape"]))
        numbers = (str(each["depth"]), f"{each['size']:,}", f"{each['initial_norm']:.3g}")
        table.add_row(each["target"], each["parameter"], shape, *numbers)
    console.print(table)


def plain_targets(name: str, data: Path) -> list[dict[str, Any]]:
    """The same as plain values for JSON; the input is no parameter, and has neither shape nor size.

    Raises:
        UsageError: There is no such workload, or its data are not there.
    """
    workload = workload_named(name)
    # The names of a model's parameters do not depend on word vectors.
    options = {"vectors": ""} if "vectors" in workload.data_settings().to_dict() else {}
    parameters = dict(workload.model_settings().build(workload.load(data, options)).named_parameters())
    layers = list(dict.fromkeys(map(layer_of, workload.targets)))
    first = 0 if INPUT in workload.targets else 1
    found: list[dict[str, Any]] = []
    if first:
        found.append(
            {
                "target": INPUT,
                "parameter": None,
                "shape": None,
                "depth": 0,
                "size": None,
                "initial_norm": None,
            }
        )
    for target, parameter in workload.targets.items():
        tensor = parameters[parameter]
        found.append(
            {
                "target": target,
                "parameter": parameter,
                "shape": list(tensor.shape),
                "depth": layers.index(layer_of(target)) + first,
                "size": tensor.numel(),
                "initial_norm": tensor.norm().item(),
            }
        )
    return found


_OF_PARAMETERS = ("parameter", "shape", "size", "initial_norm")


def _mark(name: str, start: str) -> str:
    return "*" if name == start else " "

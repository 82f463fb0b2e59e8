"""How the command line lists what a sweep may name: workloads, methods, targets."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dropattack import INPUT, Settings, registered
from search.console.terminal import show_line
from trainables.workloads import workload_named, workloads


def show_workloads(console: Console) -> None:
    """All workloads."""
    table = Table("workload", "what it is", "targets", "training")
    for workload in workloads().values():
        training = ", ".join(
            f"{name} {value}" for name, value in workload.training.to_dict().items() if value
        )
        table.add_row(workload.name, escape(workload.summary), " ".join(workload.target_names()), training)
    console.print(table)


def show_methods(console: Console) -> None:
    """All methods with their hyperparameters."""
    for name, method in sorted(registered().items()):
        settings: type[Settings] = method.settings_type
        defaults = settings().to_dict()
        show_line(console, f"{name}: {method.summary}")
        table = Table(box=None, show_header=False, pad_edge=False)
        for hyperparameter, allowed in settings.ranges().items():
            default = defaults[hyperparameter]
            shown = f"{default:.4g}" if isinstance(default, float) else str(default)
            table.add_row(f"  {hyperparameter}", shown, escape(str(allowed)), escape(allowed.doc))
        console.print(table)


def show_targets(console: Console, name: str, data: Path) -> None:
    """What can be attacked in a workload's model, from the input to the output."""
    workload = workload_named(name)
    # Word vectors need not be there to tell what a model's parameters are called.
    options = {"vectors": ""} if "vectors" in workload.data_settings().to_dict() else {}
    parameters = dict(workload.model_settings().build(workload.load(data, options)).named_parameters())
    table = Table("target", "parameter", "shape", title=name)
    for column in ("depth", "size", "initial norm"):
        table.add_column(column, justify="right")
    if INPUT not in workload.targets:
        table.add_row(INPUT, "the batch itself", "", "0", "", "")
    layers = list(dict.fromkeys(target.partition(".")[0] for target in workload.targets))
    first = 0 if INPUT in workload.targets else 1
    for target, parameter in workload.targets.items():
        tensor = parameters[parameter]
        shape = "×".join(map(str, tensor.shape))
        depth = str(layers.index(target.partition(".")[0]) + first)
        table.add_row(target, parameter, shape, depth, f"{tensor.numel():,}", f"{tensor.norm().item():.3g}")
    console.print(table)

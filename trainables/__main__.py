"""Trains one trial here and now, without Ray: ``python -m trainables WORKLOAD [METHOD] --data DIR``."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from dropattack import UsageError
from dropattack.errors import first_line
from trainables.recipe.settings import TrainingSettings
from trainables.training.loop import DivergedError, Training
from trainables.trial import Trial
from trainables.workloads import workload_named

_GROUPS = ("training", "data", "model", "method")


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, and prints one JSON object an epoch.

    Returns:
        Exit status: 0 done, 1 the training diverged, 2 the request was wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m trainables", description=__doc__)
    parser.add_argument("workload", help="name of a workload, or module:function")
    parser.add_argument("method", nargs="?", default="standard", help="name of a method")
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="data root")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", type=_device, default=torch.device("cpu"), help="cpu, cuda, cuda:1, …")
    parser.add_argument("--threads", type=_threads, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="GROUP.NAME=VALUE",
        help=f"an option of {', '.join(_GROUPS)}, such as training.epochs=3 or method.targets=input",
    )
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(given.threads)
    try:
        options = _options(given.set)
        workload = workload_named(given.workload)
        checksum = workload.checksum(given.data, options["data"])
        training = TrainingSettings.from_dict({**workload.training.to_dict(), **options["training"]})
        trial = Trial.make(
            given.workload,
            given.method,
            options["method"],
            training,
            given.seed,
            checksum,
            data=options["data"],
            model=options["model"],
        )
        run = Training(trial, workload.load(given.data, options["data"]), given.device)
        while not run.finished:
            print(json.dumps({name: round(value, 4) for name, value in run.epoch().items()}), flush=True)
    except (UsageError, DivergedError) as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


def _device(text: str) -> torch.device:
    try:
        device = torch.device(text)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise argparse.ArgumentTypeError(f"torch has no device {text!r} here: {first_line(error)}") from None
    return device


def _threads(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def _options(settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """``GROUP.NAME=VALUE`` texts by group; a value that is not JSON stays text."""
    options: dict[str, dict[str, Any]] = {group: {} for group in _GROUPS}
    for text in settings:
        name, equals, value = text.partition("=")
        group, dot, option = name.partition(".")
        if not (equals and dot and group in _GROUPS):
            raise UsageError(
                f"--set {text!r} must read GROUP.NAME=VALUE with a group of {', '.join(_GROUPS)}"
            )
        try:
            options[group][option] = json.loads(value)
        except json.JSONDecodeError:
            options[group][option] = value
    return options


if __name__ == "__main__":
    sys.exit(main())

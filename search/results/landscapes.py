"""Computes loss landscapes of a sweep's saved models, point by point; a stopped one goes on."""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from analysis.document import Section
from analysis.questions import landscape as question
from analysis.questions import sharpness
from analysis.questions.landscape import Point
from analysis.sections import landscape as section
from dropattack import UsageError
from dropattack.errors import unknown
from search.definition.sweep import Sweep
from search.records.notes import LANDSCAPES
from search.records.record import Record, State
from search.records.store import Store
from search.results.best import best_by_workload
from search.results.under_attack import Datasets
from trainables.data.splits import Split, stratified_subset
from trainables.digest import digest
from trainables.recipe.precision import arithmetic
from trainables.recipe.splitting import FIXED
from trainables.saved import load_model
from trainables.workloads import workload_named

POINTS, EXAMPLES = 25, 1000
_KEEP_SECONDS = 5.0
"""Seconds between two saves of the points: what a kill costs at most."""
_SAY_SECONDS = 20.0


@dataclass(frozen=True)
class Landscape:
    """What to draw.

    Attributes:
        data: The data root.
        methods: Methods whose best models are compared; by default the best baseline and the best attack.
        points: Points per side of a grid, at least 2.
        examples: Test examples for each point; 0 for all.

    Raises:
        UsageError: A number is too small.
    """

    data: Path
    methods: Sequence[str] = ()
    points: int = POINTS
    examples: int = EXAMPLES

    def __post_init__(self) -> None:
        if self.points < 2:
            raise UsageError(f"--points {self.points} is too few for a landscape; set 2 or more")
        if self.examples < 0:
            raise UsageError(
                f"--examples {self.examples} is no number of examples; set 1 or more, or 0 for all"
            )


def landscape_sections(
    sweep: Sweep, store: Store, records: Sequence[Record], wanted: Landscape
) -> list[Section]:
    """A section for each workload of a sweep that has a model to draw.

    Raises:
        UsageError: A method is not one of the sweep's, or no model of it is recorded.
    """
    complete = [record for record in records if record.state is State.COMPLETE]
    _check_methods(sweep, complete, wanted.methods)
    chosen = {
        workload: _chosen(sweep, store, complete, workload, wanted.methods) for workload in sweep.workloads
    }
    drawn = {workload: found for workload, found in chosen.items() if found}
    if not drawn:
        raise UsageError(f"{sweep.name} has no complete trial, and so no landscape to draw; run it first")
    several = len(sweep.workloads) > 1
    return [_section(sweep, store, found, wanted, several) for found in drawn.values()]


def _check_methods(sweep: Sweep, complete: Iterable[Record], methods: Sequence[str]) -> None:
    there = list(dict.fromkeys(record.trial.method for record in complete))
    asked = {"standard", *(method for stage in sweep.stages for method in stage.methods)}
    for method in methods:
        if method not in asked:
            raise unknown(f"method of {sweep.name}", method, sorted(asked))
        if method not in there:
            raise UsageError(
                f"{sweep.name} has no complete trial of {method}, and so no model; "
                f"those with models: {', '.join(there) or 'none'}"
            )


def _chosen(
    sweep: Sweep, store: Store, complete: Sequence[Record], workload: str, methods: Sequence[str]
) -> list[Record]:
    """The trials whose models are compared, one for each group."""
    own = [record for record in complete if record.trial.workload == workload]
    groups = [[r for r in own if r.trial.method == method] for method in dict.fromkeys(methods)]
    if not methods:
        groups = [[r for r in own if (r.trial.method == "standard") == plain] for plain in (True, False)]
    best = [best_by_workload(sweep, group) for group in groups]
    return [_saved(sweep, store, found[workload].record, own) for found in best if workload in found]


def _saved(sweep: Sweep, store: Store, best: Record, own: Iterable[Record]) -> Record:
    """The best trial, or where its model file is lost, the configuration's best one that has its file."""
    if store.model(sweep.name, best).exists():
        return best
    alike = [r for r in own if r.identity.configuration == best.identity.configuration]
    left = best_by_workload(sweep, [r for r in alike if store.model(sweep.name, r).exists()])
    if not left:
        return best
    found = left[best.trial.workload].record
    lost = f"the model file of {best.name}, the best seed, is lost"
    print(f"landscape of {best.trial.workload}: {lost}; {found.name} is drawn", file=sys.stderr, flush=True)
    return found


def _section(
    sweep: Sweep, store: Store, chosen: Sequence[Record], wanted: Landscape, several: bool
) -> Section:
    """Landscapes of some trials' models of one workload on test data; on a GPU if there is one."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    datasets = Datasets(wanted.data)
    models, tests = {}, {}
    for record in chosen:
        module = load_model(store.model(sweep.name, record), workload_named(record.trial.workload)).model
        models[record.name] = (module.to(device), module.state_dict())
        tests[record.name] = _part(datasets.of(record).test, wanted.examples).to(device)
    known = _Known(store, sweep.name, {r.name: r.key for r in chosen}, {n: len(t) for n, t in tests.items()})
    workload = chosen[0].trial.workload
    said = _Said(workload, known)
    found: dict[str, list[pd.DataFrame]] = {"line": [], "surface": [], "sharp": []}
    with arithmetic("float32"):
        for labels in _tested_alike(chosen):
            own, split = {label: models[label] for label in labels}, tests[labels[0]]
            found["surface"].append(
                question.surface(own, split, steps=wanted.points, progress=said.progress, known=known.points)
            )
            found["line"].append(question.line(own, split, steps=wanted.points, known=known.points))
            known.keep()
            found["sharp"].append(sharpness.sharpness(own, split))
    line, surface, sharp = (
        pd.concat(found[name], ignore_index=True) for name in ("line", "surface", "sharp")
    )
    return section.section(line, surface, sharp, workload if several else "")


def _tested_alike(chosen: Iterable[Record]) -> list[list[str]]:
    """Names of models by the split of their data: one may have trained on another's test examples."""
    found: dict[tuple[str, str, int], list[str]] = {}
    for record in chosen:
        how = record.trial.training_settings.split
        turn = record.trial.seed if how != FIXED else 0
        found.setdefault((record.trial.checksum, how, turn), []).append(record.name)
    return list(found.values())


def _part(test: Split, examples: int) -> Split:
    """The same test examples for all models, with each class in its share of the whole."""
    if not 0 < examples < len(test):
        return test
    return test.subset(stratified_subset(test.labels, examples, seed=0))


class _Known:
    """The computed points by label, including those of earlier calls.

    Args:
        store: Where the points are kept.
        sweep: Name of the sweep.
        keys: The key of the model's trial, by label.
        examples: How many test examples each point has, by label.
    """

    def __init__(self, store: Store, sweep: str, keys: dict[str, str], examples: dict[str, int]) -> None:
        self._store, self._sweep = store, sweep
        self._names = {label: digest(key, examples[label], torch.__version__) for label, key in keys.items()}
        noted = store.noted(sweep, LANDSCAPES) or {}
        self.points: dict[str, dict[Point, tuple[float, float]]] = {
            label: {(delta, eta): (loss, share) for delta, eta, loss, share in noted.get(name, [])}
            for label, name in self._names.items()
        }

    def keep(self) -> None:
        """Saves the points, beside those of other models."""
        now = {
            self._names[label]: [(*point, *value) for point, value in points.items()]
            for label, points in self.points.items()
        }
        before = self._store.noted(self._sweep, LANDSCAPES) or {}
        self._store.note(self._sweep, LANDSCAPES, {**before, **now})


class _Said:
    """Saves points, and prints the progress on standard error, every few seconds."""

    def __init__(self, workload: str, known: _Known) -> None:
        self._workload, self._known = workload, known
        self._before = sum(map(len, known.points.values()))
        self._began = self._kept = self._told = time.monotonic()
        if self._before:
            self._say(f"{self._before} points are known already")

    def progress(self, done: int, total: int) -> None:
        """Takes how many points are done, and how many there are."""
        now = time.monotonic()
        if now - self._kept >= _KEEP_SECONDS:
            self._known.keep()
            self._kept = time.monotonic()
        if now - self._told >= _SAY_SECONDS or done == total:
            self._told = now
            computed = sum(map(len, self._known.points.values())) - self._before
            left = (total - done) * (now - self._began) / max(1, computed)
            self._say(f"{done}/{total} points" + (f", about {left:.0f} s left" if done < total else ""))

    def _say(self, text: str) -> None:
        print(f"landscape of {self._workload}: {text}", file=sys.stderr, flush=True)

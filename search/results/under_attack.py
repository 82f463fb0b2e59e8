"""Measures the robustness of a sweep's trained models afterwards, and keeps it beside the records."""

import os
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dropattack import UsageError
from dropattack.imported import given_only
from dropattack.robustness import Case, MaskingVerdict, masking_verdict, parse_grid
from search.records.reading import CHECK
from search.records.record import Record, State
from search.records.store import Store
from search.tracking.shown import add_metrics
from trainables.data.dataset import Data
from trainables.recipe.examples import CLEAN
from trainables.recipe.measured import Metrics
from trainables.recipe.precision import arithmetic
from trainables.recipe.splitting import split_for
from trainables.saved import SavedModel, load_model
from trainables.training.attackable import check_attackable
from trainables.training.under_attack import Evaluation
from trainables.workloads import workload_named

Progress = Callable[[int, int], None]
_TEST = "test_"
Told = Callable[[str], None]


@dataclass(frozen=True)
class Attacked:
    """What an evaluation did.

    Attributes:
        models: How many models were attacked now; the others were attacked before.
        without_source: How many models have no source for an attack by transfer.
        left_out: A line for each model that cannot be loaded, and one for the missing ones.
        warning: What MLflow did not take, or nothing; the next evaluation sends it again.
        verdicts: For each workload and method, a line on whether gradients look masked.
    """

    models: int
    without_source: int
    left_out: Sequence[str]
    warning: str
    verdicts: Sequence[str] = ()

    @property
    def remarks(self) -> list[str]:
        """Lines to print beside the results."""
        remarks = [f"{self.models} models attacked"]
        if self.without_source:
            remarks.append(
                f"no transfer to {self.without_source} models: they are standard ones themselves, or the "
                "sweep has none of their data and seed trained on clean examples"
            )
        return [*remarks, *self.verdicts, *self.left_out, *filter(None, [self.warning])]


@given_only()
def evaluate_sweep(
    name: str,
    store: Store,
    data: Path,
    attacks: str,
    tracking_uri: str = "",
    progress: Progress | None = None,
    told: Told | None = None,
) -> Attacked:
    """Tests the saved models of all complete trials of a sweep under attack, on the test split.

    It does not repeat measurements of the training or of earlier calls, and saves those of a model before the
    next one. It leaves out models that cannot be loaded. ``transfer-…`` makes its examples on the standard
    model that was trained on clean examples of the same data with the same seed. It is left out for that
    model itself, and if the sweep has none.

    Args:
        name: Name of the sweep.
        store: Where it is.
        data: The data root.
        attacks: A grid such as ``pgd-20:0.1,0.3+transfer-pgd-20:0.3``; see `parse_grid`.
        tracking_uri: MLflow server; empty for the store's own.
        progress: Called after each model with how many are done, and of how many.
        told: Called within a model with a line on the progress of a slow attack.

    Raises:
        UsageError: There is no sweep, model or attack, the data changed, or an attack does not fit a workload
            or its data, or needs a package that is not installed.
    """
    cases = parse_grid(attacks)
    if not cases:
        raise UsageError("name attacks, such as --attacks fgsm:0.1,0.3+pgd-20:0.3")
    sweep = store.recorded(name)
    complete = {r.key: r for r in store.journal(sweep).records if r.state is State.COMPLETE}
    models = {key: path for key, r in complete.items() if os.path.lexists(path := store.model(name, r))}
    gone = [r.name for key, r in complete.items() if key not in models]
    if not models:
        raise UsageError(f"{name} has no trained model in {store.name}; run it there first")
    trained = [complete[key] for key in models]
    for record in trained:
        workload_named(record.trial.workload).check_cases(cases, record.trial.architecture)
    known, datasets, attacked, without = store.robustness(name), Datasets(data), 0, 0
    loading = _Loading(models)
    asked = {r.key: _missing(cases, {*r.epochs[-1], *known.get(r.key, {})}) for r in trained}
    for record in {r.trial.checksum: r for r in trained if asked[r.key]}.values():
        loaded = datasets.of(record)
        check_attackable(cases, loaded.test, loaded, record.trial.workload)
    for done, record in enumerate(trained, 1):
        own = asked[record.key]
        source = _source(record, trained) if any(case.transfer for case in own) else None
        attacker = None if source is None else loading.of(source)
        wanted = [case for case in own if attacker is not None or not case.transfer]
        without += len(wanted) < len(own)
        saved = loading.of(record) if wanted else None
        if saved is not None:
            found = _measured(saved, attacker, datasets.of(record), wanted, told)
            known[record.key] = known.get(record.key, {}) | found
            store.keep_robustness(name, known)
            attacked += 1
        if progress is not None:
            progress(done, len(trained))
    warning = add_metrics(store, name, tracking_uri, known)
    left_out = list(loading.left_out.values())
    left_out += [f"{len(gone)} complete trials have no model here, such as {gone[0]}"] if gone else []
    return Attacked(attacked, without, left_out, warning, _verdicts(trained, known))


def _verdicts(trained: Iterable[Record], known: Mapping[str, Metrics]) -> list[str]:
    """For each workload and method, in how many models gradients look masked, and why in the first."""
    found: dict[str, list[MaskingVerdict]] = {}
    for record in trained:
        metrics = {**record.epochs[-1], **known.get(record.key, {})}
        test = {n.removeprefix(_TEST): value for n, value in metrics.items() if n.startswith(_TEST)}
        found.setdefault(f"{record.trial.workload}: {record.trial.method}", []).append(masking_verdict(test))
    lines = []
    for name, verdicts in found.items():
        masked = [verdict for verdict in verdicts if verdict.masked]
        of = f", in {len(masked)} of {len(verdicts)} models" if masked and len(verdicts) > 1 else ""
        lines.append(f"{name}{of}: {(masked or verdicts)[0]}")
    return lines


def _missing(cases: Sequence[Case], measured: Container[str]) -> list[Case]:
    """The cases that are not among a model's metrics."""
    return [case for case in cases if f"test_{case.metric}" not in measured]


class _Loading:
    """Loads trained models from their files; leaves out those that cannot be loaded, with a line for each."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = paths
        self.left_out: dict[str, str] = {}

    def of(self, record: Record) -> SavedModel | None:
        try:
            saved = load_model(self._paths[record.key], workload_named(record.trial.workload))
            same = saved.trial.workload == record.trial.workload
            if not same or saved.trial.key not in (record.key, record.former):
                raise UsageError(f"{self._paths[record.key]} is of another trial")
            return saved
        except UsageError as error:
            self.left_out[record.key] = f"{record.name} is left out: {error}; {CHECK}"
            return None


class Datasets:
    """The test data of models, each loaded once and compared with the data of their training."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._loaded: dict[str, Data] = {}

    def of(self, record: Record) -> Data:
        """The data of a record's trial, split as it was.

        Raises:
            UsageError: They are not the data on which it was trained.
        """
        trial = record.trial
        if trial.checksum not in self._loaded:
            workload = workload_named(trial.workload)
            if workload.checksum(self._root, trial.data) != trial.checksum:
                raise UsageError(
                    f"the data of {trial.workload} in {self._root} are not those of its models' training"
                )
            self._loaded[trial.checksum] = workload.load(self._root, trial.data)
        split, seed = trial.training_settings.split, trial.seed_for("split")
        return split_for(split, trial.seed, seed, self._loaded[trial.checksum])


def _measured(
    saved: SavedModel, source: SavedModel | None, data: Data, cases: Sequence[Case], told: Told | None
) -> Metrics:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    attacker = None if source is None else source.model.to(device)
    evaluation = Evaluation.of(saved.trial, data)
    with arithmetic(saved.trial.training_settings.precision):
        found = evaluation.metrics(saved.model.to(device), data.test.to(device), cases, attacker, told)
    return {f"test_{metric}": value for metric, value in found.items()}


def _source(record: Record, trained: Iterable[Record]) -> Record | None:
    """The standard model of the same workload, data and seed that trained longest; never the model itself."""

    def same(other: Record) -> bool:
        one, two = record.trial, other.trial
        return (
            two.computed["method"] == "standard"
            and two.training.get("examples", CLEAN) == CLEAN
            and (one.workload, one.checksum, one.seed) == (two.workload, two.checksum, two.seed)
        )

    found = max(filter(same, trained), key=lambda other: len(other.epochs), default=None)
    return None if found is None or found.key == record.key else found

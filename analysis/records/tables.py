"""What a sweep recorded, as two tidy tables: one row per trial, and one row per trial and epoch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.aims import Goal, Rule
from analysis.records.budgets import BUDGET, COUNTED, EPOCHS, with_budgets
from analysis.records.drawn import drawn_settings
from analysis.records.identity import BASELINE, CONFIGURATION, CONTROL
from analysis.records.metric import Metric
from analysis.records.tidying import NUMBERS, TESTED_WITH, TEXT, is_metric, tidy_epochs, tidy_trials
from dropattack.methods.dropattack_settings import P_ZERO

COMPLETE, PRUNED, FAILED, RUNNING = "complete", "pruned", "failed", "running"
_FIRST = ("targets", "epsilon", "p", "k")
_SYMBOLS = {"epsilon": "ε", "k": "K"}
_LONGEST = 1e12
"""Whole numbers below it are written out."""


@dataclass(frozen=True, eq=False)
class Records:
    """Everything a report is made from. Equal records give equal reports, in whatever order rows come.

    Attributes:
        trials: One row per trial: `TEXT` and `NUMBERS` columns; every hyperparameter under its own name
            (missing where the method has none); settings with a dot in their name
            (``training.epochs``); final metrics ``train_*``, ``valid_*`` and ``test_*``, accuracies in
            [0, 1]. ``state`` is complete, pruned, failed or running; ``value`` is the best
            validation value of the selected metric. Rows of one ``key`` are one training, which several
            stages or settings asked for.
        epochs: ``key``, ``epoch`` from 1, and metric columns.
        sweep: The sweep as it was last run, as plain values: a sweep file that runs it again. ``name`` and
            ``stages`` are read where there are any.
        select: The validation metric that chooses, such as ``valid_accuracy``.
        mode: ``max`` or ``min``.
        versions: Versions of the libraries they were made with, by name; none where they were not noted.
        runs: Where the runs that made them came from, the last one at the end: ``command``, ``commit``,
            ``tree``, ``host``, ``cpu``, ``cores``, ``gpus``, and of as many ``times`` as were alike the last,
            ``at``; "" or missing what is not known.
        run_url: Address of an MLflow run with ``{run_id}`` in it; "" where there is no server.
        incomplete: Lines that say which datasets are not all that was published.
        recognised: Gives by a trial's key which examples of the test split its model recognises,
            ``[examples]``, bool, in the split's order; nothing where that is not known.
    """

    trials: pd.DataFrame
    epochs: pd.DataFrame = field(default_factory=pd.DataFrame)
    sweep: Mapping[str, Any] = field(default_factory=dict)
    select: str = "valid_accuracy"
    mode: str = "max"
    versions: Mapping[str, str] = field(default_factory=dict)
    runs: Sequence[Mapping[str, str]] = ()
    run_url: str = ""
    incomplete: Sequence[str] = ()
    recognised: Callable[[str], NDArray[np.bool_] | None] = lambda key: None

    def __post_init__(self) -> None:
        object.__setattr__(self, "trials", tidy_trials(self.trials))
        object.__setattr__(self, "trials", with_budgets(self.trials, self.sweep, self.confirmations))
        object.__setattr__(self, "epochs", tidy_epochs(self.epochs))

    @property
    def name(self) -> str:
        """Name of the sweep."""
        return str(self.sweep.get("name") or "sweep")

    @property
    def command(self) -> str:
        """What was typed to run the sweep last, for a shell; "" where that was not noted."""
        typed = [str(run.get("command") or "") for run in self.runs]
        return next(filter(None, reversed(typed)), "")

    @property
    def hyperparameters(self) -> list[str]:
        """Columns that hold settings of methods, in a fixed order: targets, ε, p, K, then by name.

        Beside those four, it leaves out settings that have one value in all trials of a method.
        """
        own = self.method_settings
        varying = self.trials.groupby("method")[own].nunique().max()
        return [c for c in own if c in _FIRST or varying[c] > 1]

    @property
    def method_settings(self) -> list[str]:
        """Columns that hold settings of methods, the best known first."""
        own = [c for c in self.trials.columns if c not in (*TEXT, *NUMBERS) and not _is_other(c)]
        return sorted(own, key=lambda c: (_FIRST.index(c) if c in _FIRST else len(_FIRST), c))

    @property
    def training(self) -> list[str]:
        """Columns under which results are compared: settings of training, data and model, with a dot in them.

        The tests of trained models are not among them. Where stages count passes, the budget stands for the
        number of epochs, which follows from it.
        """
        idle = (*TESTED_WITH, EPOCHS) if BUDGET in self.trials else TESTED_WITH
        return sorted(c for c in self.trials.columns if "." in c and not is_metric(c) and c not in idle)

    @cached_property
    def drawn(self) -> list[str]:
        """Those of `training` that every search of attacks draws from a range, such as a learning rate.

        Pictures pool them, as they pool the settings of a method. Gains do not, and so are left out there:
        each would be over plain training of another setting.
        """
        stages = sorted(set(self.exploring()["stage"]))
        ranges = set(drawn_settings(self.sweep, stages))
        return [column for column in self.training if column in ranges]

    @property
    def settled(self) -> list[str]:
        """Those of `training` that are not `drawn`: what trials in one picture share."""
        return [column for column in self.training if column not in self.drawn]

    @property
    def trained(self) -> list[str]:
        """Columns that tell people how a model trained: those of `training`, with epochs for budgets."""
        named = {BUDGET: EPOCHS}
        return sorted(named.get(c, c) for c in self.training if c != COUNTED)

    @property
    def spelling(self) -> list[str]:
        """Columns with the requested settings of a trial, without the seed; `labels` makes a name of them.

        What counts as one configuration is in `CONFIGURATION`: several spellings may be one.
        """
        return ["workload", "method", *self.hyperparameters, *self.trained]

    @property
    def pair(self) -> list[str]:
        """Columns that an attack shares with its baseline."""
        return ["workload", *(c for c in self.training if c != COUNTED), "seed"]

    @property
    def rule(self) -> Rule:
        """What the sweep aims at, and which configuration is best; see `analysis.aims`."""
        plain = self.sweep.get("select") or {}
        if plain.get("metrics"):
            return Rule.of(plain)
        return Rule((Goal(self.select.removeprefix("valid_"), 1 if self.mode == "max" else -1),))

    @property
    def curve(self) -> str:
        """The validation metric of every epoch, which chooses the one whose model is kept."""
        return self.rule.goals[0].column

    @property
    def selected(self) -> Metric:
        """The validation metric that chooses."""
        return self._metric(self.select)

    @property
    def reported(self) -> Metric:
        """The test metric that is quoted; the selected one where no test metric was recorded."""
        column = self.select.replace("valid_", "test_", 1)
        recorded = column in self.trials and self.trials[column].notna().any()
        return self._metric(column if recorded else self.select)

    @property
    def confirmations(self) -> list[str]:
        """Names of the stages that run chosen configurations again on fresh seeds."""
        return self._stages("confirm")

    @property
    def grids(self) -> list[str]:
        """Names of the stages that run every combination of their space."""
        return self._stages("grid")

    @property
    def races(self) -> list[str]:
        """Names of the stages in which candidates race for further seeds."""
        raced = {s.get("name") for s in self.sweep.get("stages", ()) if _races(s)}
        return [stage for stage in sorted(set(self.trials["stage"])) if stage in raced]

    def complete(self, controls: bool = False) -> pd.DataFrame:
        """Trials that ran their whole budget and have a value: the only ones in statistics.

        Args:
            controls: Whether control experiments count too; they are no candidates for anything.
        """
        complete = self.trials[(self.trials["state"] == COMPLETE) & self.trials["value"].notna()]
        return complete if controls else complete[complete[CONTROL] == ""]

    def exploring(self) -> pd.DataFrame:
        """Complete attacks from which candidates are chosen: all except those of confirmations."""
        complete = self.complete()
        return complete[~complete["stage"].isin(self.confirmations) & ~self.plain(complete)]

    def baselines(self) -> pd.DataFrame:
        """Complete trials of plain training at one pass per step.

        Those of method ``standard``; where a sweep has none for a seed, those with a p of 0, which are the
        same training.
        """
        return self._baselines.copy(deep=False)

    @cached_property
    def _baselines(self) -> pd.DataFrame:
        complete = self.complete(controls=True)
        complete = complete.assign(called=(complete["method"] == BASELINE) & (complete[CONTROL] == ""))
        plain = complete[complete["called"] | (complete[CONTROL] == P_ZERO)]
        pair = [plain[column] for column in self.pair]
        best = plain.groupby(pair, dropna=False)["called"].transform("max")
        return plain[plain["called"] == best].drop(columns="called")

    def plain(self, trials: pd.DataFrame) -> pd.Series:
        """Whether each trial is the baseline itself, under whatever name."""
        return (trials[CONTROL] == P_ZERO) | trials[CONFIGURATION].isin(self._baselines[CONFIGURATION])

    def values(self, metric: Metric) -> str:
        """The column of `trials` that holds a metric's final values."""
        return "value" if metric.column == self.select else metric.column

    def link(self, run_id: str) -> str:
        """Address of a trial's MLflow run, or "" where there is none."""
        return self.run_url.format(run_id=run_id) if self.run_url and run_id else ""

    def _stages(self, kind: str) -> list[str]:
        """Stages that search in one way; one that no sweep file describes is named after its way."""
        kinds = {s.get("name"): _kind(s) for s in self.sweep.get("stages", ())}
        return [s for s in sorted(set(self.trials["stage"])) if kinds.get(s, s) == kind]

    def _metric(self, column: str) -> Metric:
        values = self.trials["value" if column == self.select else column]
        return Metric(column, self.mode == "max", float(values.abs().median()))


def one_per_training(trials: pd.DataFrame) -> pd.DataFrame:
    """The first row of every training."""
    return trials.drop_duplicates([CONFIGURATION, "seed"])


def _is_other(column: str) -> bool:
    return "." in column or is_metric(column)


def _kind(stage: Mapping[str, Any]) -> str:
    search = stage.get("search") or "grid"
    return str(search.get("kind", "grid") if isinstance(search, Mapping) else search)


def _races(stage: Mapping[str, Any]) -> bool:
    search = stage.get("search")
    return isinstance(search, Mapping) and bool(search.get("race"))


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def labels(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """`describe` for every row of a table."""
    return [describe(row, columns) for row in rows(frame[list(columns)])]


def describe(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    """A configuration in one short line: ``dropattack input+conv1.w · ε 5 · p 0.5 · K 1``."""
    head = [str(row[c]) for c in ("method", "targets") if c in columns and _present(row[c])]
    rest = [c for c in columns if c not in ("method", "targets") and _present(row[c])]
    whole = [c for c in rest if c.endswith(".train_size") and row[c] == 0]
    rest = [c for c in rest if c not in whole and (c, row[c]) != ("control", "none")]
    tail = [f"{_SYMBOLS.get(c, c.rpartition('.')[2])}\N{NO-BREAK SPACE}{_short(row[c])}" for c in rest]
    tail += ["all examples" for _ in whole]
    return " · ".join([" ".join(head), *tail] if head else tail)


def _present(value: Any) -> bool:
    return value is not None and value == value and value != ""


def _short(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value.is_integer() and abs(value) < _LONGEST else f"{value:.4g}"

"""Estimates what a sweep would take: time here, core-hours, and time on a GPU."""

import math
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from search.definition.sweep import Resources
from search.engine.costs.cards import seconds_on_a_gpu
from search.engine.costs.portions import Portion
from search.engine.costs.rates import Rates, rates_of_records
from search.engine.nodes import on_node
from search.records.record import Record
from trainables.data.dataset import Data
from trainables.digest import digest
from trainables.gpu import device_for
from trainables.recipe.splitting import train_sizes
from trainables.trial import Trial

Load = Callable[[str, Mapping[str, Any]], Data]
STARTING_SECONDS = 15.0
"""Seconds of a run beside its trials: checks, Ray's start, the report."""
TRIAL_SECONDS = 0.15
"""Seconds of a trial beside its epochs: building and saving its model, checkpoints and records."""


@dataclass(frozen=True)
class Estimate:
    """What the trials that are left would take; ``None`` is not known.

    Attributes:
        seconds: Time on one slot, one trial after the other.
        core_hours: The same, times the CPUs that a trial occupies, in hours.
        side_by_side: How many trials run at once on this machine; ``None`` on a cluster, or where none fits.
        here: Seconds until a run of it is done on this machine.
        source: Where the times come from: ``records``, ``probe``, or both.
        gpu: The GPU that was measured with these models, one trial at a time.
        gpu_seconds: Time on it.
    """

    seconds: float | None = None
    core_hours: float | None = None
    side_by_side: int | None = None
    here: float | None = None
    source: str = ""
    gpu: str = ""
    gpu_seconds: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


UNKNOWN = Estimate()
"""The estimate when nothing is known."""


class Estimator:
    """Works out times of portions of trials.

    Args:
        resources: The resources of one trial.
        records: Records of any sweep, with their times.
        load: Returns the data of a workload under options of its dataset.
        probing: Whether to measure a few steps instead.
        probe_seconds: About how long to measure each kind of portion.
    """

    def __init__(
        self,
        resources: Resources,
        records: Sequence[Record],
        load: Load,
        probing: bool,
        probe_seconds: float = 15.0,
    ) -> None:
        self._resources = resources
        self._records = records
        self._load = load
        self._probing = probing
        self._probe_seconds = probe_seconds
        self._rates: dict[str, Rates | None] = {}
        self._loaded: dict[str, Data] = {}

    @property
    def remarks(self) -> list[str]:
        """Lines on times that are rough."""
        rough = any(rates is not None and not rates.alike for rates in self._rates.values())
        line = (
            "times are rough: they come from records with other settings of data, model, batches or attacks"
        )
        return [f"{line}; --probe measures a few steps"] if rough else []

    def estimate(self, portions: Sequence[Portion]) -> Estimate:
        """Estimates what all that is left takes.

        Raises:
            UsageError: A workload that is to be probed cannot be trained.
        """
        self._measure(portions)
        at_once = self._side_by_side()
        card = seconds_on_a_gpu(portions, self.examples) if portions else None
        gpu, gpu_seconds = card or ("", None)
        seconds = self.seconds(portions)
        if seconds is None:
            return Estimate(side_by_side=at_once, gpu=gpu, gpu_seconds=gpu_seconds)
        trials = sum(portion.trials for portion in portions)
        here = None
        if at_once is not None:
            together = min(at_once, max(1, math.ceil(trials)))
            here = (seconds + trials * TRIAL_SECONDS) / together + STARTING_SECONDS * bool(portions)
        found = {rates.source for p in portions if (rates := self._rates.get(p.kind)) is not None}
        hours = seconds * self._resources.cpus / 3600
        return Estimate(seconds, hours, at_once, here, " and ".join(sorted(found)), gpu, gpu_seconds)

    def seconds(self, portions: Sequence[Portion]) -> float | None:
        """Time of portions on one slot; ``None`` if one of them is unknown."""
        self._measure(portions)
        total = 0.0
        for portion in portions:
            found = self._of(portion)
            if found is None:
                return None
            total += found
        return total

    def examples(self, trial: Trial) -> int:
        """On how many examples a trial trains.

        Raises:
            UsageError: Its data cannot be read.
        """
        settings = trial.training_settings
        return settings.train_size or max(train_sizes([settings.split], self._data(trial)))

    def _of(self, portion: Portion) -> float | None:
        rates = self._rates.get(portion.kind)
        return None if rates is None else rates.seconds(portion, self.examples(portion.trial))

    def _measure(self, portions: Sequence[Portion]) -> None:
        kinds: dict[str, list[Portion]] = defaultdict(list)
        for portion in portions:
            if portion.kind not in self._rates:
                kinds[portion.kind].append(portion)
        for kind, alike in kinds.items():
            self._rates[kind] = self._rates_of(alike)

    def _rates_of(self, portions: Sequence[Portion]) -> Rates | None:
        trial = portions[0].trial
        if self._probing:
            from search.engine.costs.probe import probe  # the training loop, which no other plan needs

            threads = max(1, math.floor(self._resources.cpus))
            device = device_for(self._resources.most_gpus)
            return probe(portions, self._data(trial), threads, device, self._probe_seconds)
        return rates_of_records(self._records, trial, self.examples, bool(self._resources.gpus))

    def _side_by_side(self) -> int | None:
        asked = self._resources.concurrent
        if os.environ.get("RAY_ADDRESS"):
            return asked
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        here = on_node(self._resources, {"CPU": float(os.cpu_count() or 1), "GPU": float(gpus)})
        return (here if asked is None else min(asked, here)) or None

    def _data(self, trial: Trial) -> Data:
        name = digest(trial.workload, dict(trial.data))
        if name not in self._loaded:
            self._loaded[name] = self._load(trial.workload, trial.data)
        return self._loaded[name]

"""How long trials take on measured GPUs: those of docs/how-to/lanes.md, with the papers' models."""

from collections.abc import Iterable, Mapping

from search.engine.costs.portions import Portion
from search.engine.costs.rates import Examples
from trainables.trial import Trial
from trainables.workloads import workload_named

MEASURED: Mapping[str, Mapping[str, float]] = {
    "NVIDIA H200": {
        "mnist-lenet5": 36.7 / (50_000 * 10 * 3),
        "fashion-lenet5": 36.7 / (50_000 * 10 * 3),
        "imdb-lstm": 157 / (40_000 * 10 * 3),
        "cifar10-resnet18": 0.035 / (128 * 3),
    }
}
"""By card and workload, seconds of a pass over one example: one trial at a time, float32, batches of 128.

98 trials an hour of LeNet-5 and 23 of the LSTM, each of 10 epochs in 3 passes a step; 35 ms a step of three
passes of ResNet-18.
"""
_BATCH = 128
_LENGTH = "fix_length"
"""The data setting on which the time of a pass depends: how many words of a text are kept."""


def seconds_on_a_gpu(portions: Iterable[Portion], examples: Examples) -> tuple[str, float] | None:
    """How long trials take one after the other on a measured GPU: the card, and seconds.

    Returns:
        ``None`` if no card was measured with one of their models, batches or attacks.
    """
    known = list(portions)
    for card, rates in MEASURED.items():
        if known and all(_is_measured(portion.trial, rates) for portion in known):
            return card, sum(p.passes * examples(p.trial) * rates[p.trial.workload] for p in known)
    return None


def _is_measured(trial: Trial, rates: Mapping[str, float]) -> bool:
    if trial.workload not in rates:
        return False
    training = trial.training
    usual = workload_named(trial.workload).data_settings().to_dict()
    return (
        training["batch_size"] == _BATCH
        and training["precision"] == "float32"
        and not training["robustness"]
        and trial.data.get(_LENGTH, usual.get(_LENGTH)) == usual.get(_LENGTH)
        and dict(trial.model) == workload_named(trial.workload).model_settings(data=trial.data).to_dict()
    )

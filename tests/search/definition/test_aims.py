"""Several metrics in a sweep file: what they mean, and one line for each way to get them wrong."""

from typing import Any

import pytest

from dropattack import UsageError
from search.definition.sweep import Sweep
from search.definition.sweepfile import parse_sweep

PGD = "pgd-20_0.1_accuracy"
BOTH: dict[str, Any] = {"metrics": ["accuracy", PGD], "constraints": ["accuracy >= 0.97"]}
PLAIN: dict[str, Any] = {"metrics": ["accuracy", "loss"], "weights": {"accuracy": 1, "loss": 0.1}}


def _sweep(select: dict[str, Any], search: dict[str, Any] | None = None, **changes: Any) -> Sweep:
    found = {"kind": "optuna", "trials": 60, **(search or {})}
    stage = {"name": "s", "search": found, "methods": {"dropattack": {"epsilon": {"low": 0.1, "high": 1}}}}
    raw = {"name": "several", "workload": "digits-lenet5", "seeds": [0, 1, 2], "select": select}
    raw["training"] = {"robustness": "pgd-20:0.1"}
    raw["stages"] = [stage | changes.pop("stage", {})]
    return parse_sweep(raw | changes)


@pytest.mark.parametrize(
    "select",
    [
        BOTH,
        PLAIN,
        {"metrics": ["accuracy", {"metric": "loss", "mode": "min"}, "passes"], "constraints": ["loss<=.3"]},
        {"metrics": ["accuracy", "pgd-20_.10_accuracy"], "constraints": ["pgd-20_.1_accuracy >= 0.2"]},
    ],
    ids=str,
)
def test_a_sweep_is_the_same_when_it_is_written_and_read(select: dict[str, Any]) -> None:
    sweep = _sweep(select)
    written = sweep.model_dump(mode="json", exclude_none=True)
    assert parse_sweep(written) == sweep
    assert "metric" not in written["select"]
    (first, *_) = sweep.select.aims
    assert (sweep.select.metric, sweep.select.sign) == (first.metric, first.sign) == ("accuracy", 1)


def test_one_metric_is_written_as_before() -> None:
    assert _sweep({"metric": "loss"}).model_dump(mode="json")["select"] == {"metric": "loss", "mode": ""}


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ({"metrics": ["accuracy", "loss"]}, r"no rule says which configuration is best; add constraints"),
        ({"metrics": ["accuracy"], "constraints": ["accuracy >= 1"]}, r"write metric: accuracy"),
        ({**PLAIN, "metrics": ["accuracy", "loss", "accuracy"]}, r"metrics has accuracy twice"),
        ({**BOTH, "metrics": ["accuracy", PGD, "pgd-20_.10_accuracy"]}, rf"metrics has {PGD} twice"),
        ({**PLAIN, "metric": "loss"}, r"takes metric or metrics, not both"),
        ({"constraints": ["accuracy >= 0.9"]}, r"need several metrics, such as"),
        ({**BOTH, "constraints": ["acuracy >= 0.9"]}, r"constraints: .*'acuracy'; did you mean 'accuracy'"),
        ({**BOTH, "constraints": ["loss <= 0.9"]}, r"constraints: .*'loss'"),
        ({**BOTH, "constraints": ["accuracy > 0.9"]}, r"'accuracy > 0.9' is no comparison; write a metric"),
        ({**BOTH, "constraints": ["accuracy <= 0.9"]}, r"more accuracy is better; write accuracy >= "),
        ({**PLAIN, "constraints": ["loss >= 0.9"]}, r"less loss is better; write loss <= "),
        ({**BOTH, "constraints": "accuracy >= 0.9"}, r"select.constraints: must be a list"),
        ({**PLAIN, "weights": {"accuracy": 1, "losss": 1}}, r"weights: .*'losss'; did you mean 'loss'"),
        ({**PLAIN, "weights": {"accuracy": 1}}, r"weights lacks loss; give it one, or 0 to leave it out"),
        ({**PLAIN, "weights": {"accuracy": 0, "loss": 0}}, r"all weights are 0"),
        ({**PLAIN, "weights": {"accuracy": -1, "loss": 1}}, r"weights.accuracy: .*at least 0"),
        ({**BOTH, "constraints": ["accuracy >= 97"]}, r"must be between 0 and 1, not 97; .*97 % as 0.97"),
        ({**BOTH, "constraints": [f"{PGD} >= 45"]}, rf"{PGD} must be between 0 and 1, not 45"),
        ({"metrics": ["accuracy", "pass"], "weights": {"accuracy": 1, "pass": 1}}, r"did you mean 'passes'"),
        ({"metrics": ["accuracy", "lss"], "weights": {"accuracy": 1, "lss": 1}}, r"select.metrics: .*'lss'"),
        ({**PLAIN, "metrics": ["accuracy", {"metrik": "loss"}]}, r"'metrik'; did you mean 'metric'"),
        ({"metrics": ["accuracy", {"metric": "loss", "mode": "max"}], "weights": {"accuracy": 1, "loss": 1}},
         r"select.metrics: less loss is better for digits-lenet5; write \{metric: loss, mode: min\}"),
        ({"metrics": ["passes", "accuracy"], "weights": {"passes": 1, "accuracy": 1}}, r"chooses no epoch"),
        ({"metric": "passes"}, r"chooses no epoch; list a metric of validation first"),
        ({"metrics": ["accuracy", "f1"], "weights": {"accuracy": 1, "f1": 1}}, r"f1 needs a positive class"),
        ({"metrics": ["accuracy", "test_loss"], "weights": {}}, r"'test_loss' is not measured on validation"),
        ({"metrics": ["accuracy", "pgd-20_0.2_accuracy"], "constraints": ["accuracy >= 0.9"]},
         r"not every training computes pgd-20_0.2_accuracy; add pgd-20:0.2 to training.robustness"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(select: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        _sweep(select)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("select", "changes", "message"),
    [
        (PLAIN, {"search": {"seeds": 3, "race": True}}, r"search.race compares candidates in one metric"),
        (
            PLAIN,
            {"search": {"seeds": 3, "objective": "lower"}},
            r"lower .*; write objective: mean",
        ),
        (
            PLAIN,
            {"search": {"sampler": "cmaes"}},
            r"cmaes takes one .*; write sampler: tpe, gp or",
        ),
        (BOTH, {"stage": {"scheduler": "asha"}}, rf"when {PGD} is measured only as the first"),
        (BOTH, {"training": {}}, r"add pgd-20:0.1 to training.robustness"),
        (BOTH, {"training": {"robustness": ["pgd-20:0.1", "fgsm:0.1"]}}, r"not every training computes"),
    ],
)
def test_a_stage_that_cannot_is_refused_with_what_can(
    select: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as error:
        _sweep(select, **changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsga2", "qmc", "random"])
def test_every_other_sampler_takes_several(sampler: str) -> None:
    assert _sweep(PLAIN, {"sampler": sampler}, stage={"scheduler": "asha"}).select.several
    first = {"metrics": [PGD, "accuracy"], "constraints": ["accuracy >= 0.97"]}
    assert _sweep(first, {"sampler": sampler}, stage={"scheduler": "asha"}).select.metric == PGD

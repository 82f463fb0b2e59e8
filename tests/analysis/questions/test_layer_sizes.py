"""A ranking of layers that may be one of sizes says so, and one that cannot be does not."""

import pandas as pd
import pytest

from analysis.questions.layer_sizes import confounding
from analysis.questions.layers import rank_target_sets, scored_target_sets
from analysis.records import Records
from analysis.sections import layers as section
from tests.analysis import synthetic

LAYERS = ["input", "conv1.w", "fc1.w", "fc2.w"]


def table(sizes: list[float], gains: list[float], **columns: list[object]) -> pd.DataFrame:
    """Rows of one ranking, of which nothing else counts."""
    names = [f"layer{i}.w" for i in range(len(sizes))]
    values = {"targets": names, "rank": [1.0] * len(sizes), "sample": names}
    return pd.DataFrame({**values, "relative_size": sizes, "gain": gains, **columns})


def test_pairs_are_counted_as_by_hand() -> None:
    """Of 10 pairs (1, 2), (1, 3), (2, 3) have one size and (1, 4) one gain; (0, 2), (0, 3) do not agree."""
    sizes, gains = [0.1, 0.3, 0.3, 0.3, 0.6], [0.02, 0.03, 0.01, 0.01, 0.03]
    found = confounding(table(sizes, gains))
    assert found is not None
    assert (found.smallest, found.largest, found.factor) == ("layer0.w", "layer4.w", pytest.approx(6))
    assert (found.pairs, found.agreeing) == (6, 4)


@pytest.mark.parametrize(
    ("sizes", "gains", "said"),
    [
        ([1.0, 2.1, 1.0, 1.0], [3, 1, 2, 4], True),  # more than a factor of 2, whatever the order
        ([1.0, 1.9, 1.5, 1.4], [1, 3, 2, 4], False),  # less, and not in order
        ([1.0, 1.9, 1.5, 1.4], [1, 4, 3, 2], True),  # in order
        ([1.0, 1.9, 1.5, 1.4], [4, 1, 2, 3], True),  # in the reverse
        ([1.0, 1.9, 1.5], [1, 3, 2], False),  # three are in some order by chance too often
        ([1.0, 1.05, 1.02, 1.01], [1, 4, 3, 2], False),  # the same size
        ([1.0], [1], False),
        ([0.0, 0.0, 5.0], [1, 2, 3], False),  # none but one is measured
    ],
)
def test_the_rule(sizes: list[float], gains: list[float], said: bool) -> None:
    assert (confounding(table(sizes, gains)) is not None) == said


def test_only_what_is_ranked_counts_and_each_training_once() -> None:
    unranked = table([1.0, 9.0, 1.5], [1, 2, 3], rank=[1.0, None, 2.0])
    assert confounding(unranked) is None
    copies = table([1.0, 9.0, 9.0], [1, 2, 2], sample=["a", "b", "b"])
    assert (found := confounding(copies)) is not None
    assert found.pairs == 1


def sized(factor: float, **changes: str) -> pd.DataFrame:
    """Four layers, where a layer that is attacked ``factor`` times as hard as the next gains a point more."""

    def effect(targets: str, epsilon: float, p: float, k: int) -> float:
        return 0.01 * LAYERS.index(targets)

    settings = {"epsilons": [1], "ps": [0.5], "effect": effect, "noise": 0.0}
    frame = synthetic.trials(targets=LAYERS, **settings).assign(**changes)
    size = {name: 0.1 * factor**i for i, name in enumerate(LAYERS)}
    frame["train_relative_size"] = frame["targets"].map(size)
    return frame


def ranked(records: Records) -> pd.DataFrame:
    return rank_target_sets(scored_target_sets(records, records.reported))


def test_the_report_says_it_and_names_the_setting_that_helps() -> None:
    records = synthetic.records(sized(3.0, epsilon_scale="absolute"))
    assert ranked(records).set_index("targets")["relative_size"].to_dict() == {
        name: pytest.approx(0.1 * 3**i) for i, name in enumerate(LAYERS)
    }
    told = section.section(records)
    assert told is not None
    assert told.findings[1:] == [
        "digits-lenet5: layer and size are confounded: relative to its norm, fc2.w was attacked 27 times as "
        "hard as input (‖M∘r‖/‖θ‖ 2.7 against 0.1). In 6 of 6 pairs of target sets the one attacked "
        "harder gains more. `epsilon_scale: relative` attacks all at one relative size."
    ]
    (ranking,) = (part for part in told.parts if part.name == "layers")
    assert "relative size" in [column.label for column in ranking.columns]


@pytest.mark.parametrize("frame", [sized(1.0), sized(3.0).drop(columns="train_relative_size")])
def test_equal_and_unknown_sizes_say_nothing(frame: pd.DataFrame) -> None:
    told = section.section(synthetic.records(frame))
    assert told is not None
    assert len(told.findings) == 1

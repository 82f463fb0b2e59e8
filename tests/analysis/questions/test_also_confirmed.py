"""The other methods that fresh seeds score, beside the one that validation chooses."""

from analysis.questions.verdict import verdicts
from tests.analysis.ways import records, way

SEARCHED = {0: 0.9, 1: 0.91, 2: 0.9}
FRESH = {100: 0.90, 101: 0.91, 102: 0.905, 103: 0.895}
WAVE = {100: 0.001, 101: -0.001, 102: 0.001, 103: -0.001}


def _lines(equal_passes: bool = True, other: bool = True) -> dict[str, str]:
    frames = []
    for name, gain in {"baseline": 0.0, "attack": 0.02, "equal-passes": 0.015}.items():
        if equal_passes or name != "equal-passes":
            frames.append(way(name, {s: v + gain for s, v in SEARCHED.items()}))
            frames.append(way(name, {s: v + gain for s, v in FRESH.items()}, stage="confirm"))
    if other:
        frames.append(way("attack", {s: v + 0.01 for s, v in SEARCHED.items()}, method="awp"))
        results = {s: v + 0.01 + WAVE[s] for s, v in FRESH.items()}
        frames.append(way("attack", results, method="awp", stage="confirm"))
    (verdict,) = verdicts(records(*frames))
    return dict(verdict.headed_lines())


def test_each_is_told_beside_plain_training_of_as_many_passes() -> None:
    told = _lines()["Others"]
    assert told.startswith("Also confirmed: awp input")
    assert "−0.50 [−0.68, −0.32] points over plain training with as many passes (n = 4 fresh seeds)" in told


def test_without_that_it_is_told_beside_plain_training() -> None:
    assert "+1.00 [+0.82, +1.18] points over plain training (n = 4" in _lines(equal_passes=False)["Others"]


def test_nothing_is_told_where_one_method_alone_is_confirmed() -> None:
    assert "Others" not in _lines(other=False)

"""What to do next."""

import numpy as np
from scipy import stats

from tests.analysis.ways import around, lost, verdict, way


def test_what_next_tests_equal_cost_or_adds_the_seeds_that_would_decide() -> None:
    untested = verdict(*lost(0.01))
    assert untested.next.command == "dropattack run s --set 'stages.confirm.search.controls=[equal-passes]'"
    gains = {"baseline": 0.0, "attack": 0.006, "equal-passes": 0.0}
    wide = [way(name, around(0.9 + gain, 0.01, 5)) for name, gain in gains.items()]
    undecided = verdict(*wide)
    d = np.subtract(*(frame["test_accuracy"] for frame in (wide[1], wide[2])))
    size = d.mean() / d.std(ddof=1)
    power = [stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, size * n**0.5) for n in range(2, 99)]
    assert undecided.next.seeds == max(2 + int(np.argmax(np.array(power) >= 0.8)), 6)
    assert undecided.next.command.startswith("dropattack run s --set 'seeds=[0, 1, 2, 3")
    decided = verdict(*(way(name, around(0.9 + 9 * gain)) for name, gain in gains.items()))
    assert decided.next.command == ""


def test_what_was_typed_is_the_command_that_goes_on() -> None:
    typed = "dropattack run my.yaml --set training.epochs=3"
    found = verdict(*lost(0.01), runs=[{"command": typed}])
    assert found.next.command == f"{typed} --set 'stages.confirm.search.controls=[equal-passes]'"

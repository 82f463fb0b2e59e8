"""Which trials of a sweep take part in a contest, from records whose effects are planted."""

from analysis.questions.contest import contests
from analysis.records import Records
from tests.analysis.questions.test_contest import contest_records


def test_seeds_that_the_sweep_does_not_ask_for_take_no_part() -> None:
    """A confirmation was extended, and shortened again: it is what was planned, seed by seed."""
    records, (alone,) = contest_records(0.01), contests(contest_records(0.01)).values()
    *stages, confirm = records.sweep["stages"]
    search = {**confirm["search"], "seeds": [100, 101, 102, 103, 103]}
    (met,) = contests(
        Records(records.trials, sweep={**records.sweep, "stages": [*stages, {**confirm, "search": search}]})
    ).values()
    assert (met.seeds, met.contrast.effect.n, met.over["standard"].n) == (4, 4, 4)
    assert met.contrast.effect.values == alone.contrast.effect.values[:4]


def test_each_workload_has_the_contest_of_its_own_stage() -> None:
    records = contest_records(0.01, workloads=("w", "x"))
    *stages, confirm = records.sweep["stages"]
    own = [{**confirm, "workloads": ["w"]}, {**confirm, "name": "again", "workloads": ["x"]}]
    trials, of_x = (
        records.trials,
        (records.trials["workload"] == "x") & (records.trials["stage"] == "confirm"),
    )
    moved = trials.assign(stage=trials["stage"].mask(of_x, "again"))
    found = contests(Records(moved, sweep={**records.sweep, "stages": [*stages, *own]}))
    expected = contests(records)
    assert {w: met.contrast.effect.values for w, met in found.items()} == {
        w: met.contrast.effect.values for w, met in expected.items()
    }

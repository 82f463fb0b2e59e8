"""What a report says of a race: who got how many seeds and why, and no test of what earned its seeds."""

import numpy as np
import pandas as pd

from analysis.questions.racing import raced
from analysis.questions.selection import configurations, optimism
from analysis.racing import ALL_SEEDS, FAILED, NO_CHANCE, RACING, STOPPED
from analysis.records import Records
from analysis.report import sections
from analysis.scoring import SAME, scored_families
from tests.analysis import synthetic

SWEEP = {
    "seeds": [4, 2, 3, 1],
    "stages": [{"name": "grid", "search": {"kind": "optuna", "seeds": 4, "race": True}}],
}
VALUES = {
    0.1: [0.90, 0.91, 0.89, 0.90],
    0.3: [0.85, 0.84],
    0.5: [0.99],
    0.7: [0.80],
    1.0: [0.70],
}


def _records(unfinished: bool = False) -> Records:
    """0.1 has all seeds; 0.5 was lucky once; 0.7 was stopped and 1.0 failed."""
    frame = synthetic.trials(targets=["input"], epsilons=[1], ps=list(VALUES), seeds=SWEEP["seeds"], noise=0)
    order = {seed: place for place, seed in enumerate(SWEEP["seeds"])}
    kept = []
    for _, row in frame.iterrows():
        place = order[row["seed"]]
        if row["method"] == "standard":
            kept.append(row)
        elif place < len(VALUES[row["p"]]):
            row["value"] = VALUES[row["p"]][place]
            kept.append(row)
    table = pd.DataFrame(kept).reset_index(drop=True)
    attack = table["method"] != "standard"
    table.loc[~attack, "stage"] = "baseline"
    table.loc[attack & (table["p"] == 0.7), "state"] = "pruned"
    table.loc[attack & (table["p"] == 1.0), "state"] = "failed"
    if not unfinished:
        table = table.drop(table[attack & (table["p"] == 0.5)].index)
    return synthetic.records(table, sweep=SWEEP)


def test_the_table_says_how_many_seeds_each_had_and_why_no_more() -> None:
    table = raced(_records()).set_index("p")
    assert table["n"].to_dict() == {0.1: 4, 0.3: 2, 0.7: 0, 1.0: 0}
    assert table["why"].to_dict() == {0.1: ALL_SEEDS, 0.3: NO_CHANCE, 0.7: STOPPED, 1.0: FAILED}
    assert table.index[0] == 0.1
    assert np.isclose(table["behind"][0.3], (0.90 + 0.91) / 2 - (0.85 + 0.84) / 2)
    assert np.isnan(table["behind"][0.1])
    assert np.isclose(table["valid"][0.3], 0.845)


def test_a_race_that_was_interrupted_says_so() -> None:
    assert raced(_records(unfinished=True)).set_index("p")["why"][0.5] == RACING


def test_the_choice_is_the_incumbent_and_not_the_lucky_one() -> None:
    table = configurations(_records(unfinished=True))
    attacks = table[table["method"] != "standard"]
    assert attacks["p"].tolist() == [0.1, 0.3, 0.5]


def _scored(records: Records) -> pd.DataFrame:
    scored = scored_families(records, records.complete(), records.selected, ["method"])
    return scored[scored["method"] == "dropattack"]


def test_what_earned_its_seeds_is_not_tested() -> None:
    scored = _scored(_records(unfinished=True))
    assert set(scored["scored_on"]) == {SAME}
    assert set(scored["p"]) == {0.1}, "the incumbent scores its method, on all of its seeds"
    assert len(scored) == 4
    assert np.isinf(scored["spent"]).all()
    assert optimism(_records(unfinished=True))["held_out"].isna().all()


def test_a_race_with_one_candidate_left_is_not_tested_either() -> None:
    trials = _records().trials
    alone = trials[(trials["method"] == "standard") | (trials["p"] == 0.1)]
    assert set(_scored(synthetic.records(alone, sweep=SWEEP))["scored_on"]) == {SAME}


def test_the_same_trials_without_a_race_are_tested() -> None:
    grid = {**SWEEP, "stages": [{"name": "grid", "search": "grid"}]}
    tested = synthetic.records(_records(unfinished=True).trials, sweep=grid)
    assert raced(tested).empty
    kept = tested.trials[tested.trials["state"] != "pruned"]
    assert SAME not in set(_scored(synthetic.records(kept, sweep=grid))["scored_on"])


def test_the_report_has_a_section_of_the_race() -> None:
    (section,) = [each for each in sections(_records()) if each.name == "race"]
    assert section.findings == ["4 candidates raced over seeds, in 6 trainings; 1 got all seeds."]
    assert not [each for each in sections(synthetic.records(synthetic.trials())) if each.name == "race"]

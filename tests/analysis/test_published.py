"""Published numbers, and the papers' own statements put to them."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import published
from analysis.published.verdicts import DIFFERS, WITHHELD
from analysis.questions import budget, sensitivity
from analysis.questions import layers as ranking
from dropattack import UsageError, canonical_targets
from tests.analysis import synthetic

ROWS = {"1": 20, "2": 66, "3": 16, "4": 30, "5": 15, "6": 28, "7": 14, "8": 14, "9": 14, "10": 49}


@pytest.mark.parametrize("table", ROWS)
def test_every_table_is_whole(table: str) -> None:
    assert len(published.load("dropattack", table)) == ROWS[table]


def test_targets_are_canonical() -> None:
    targets = published.load("dropattack")["targets"].dropna()
    assert targets.tolist() == [canonical_targets(t) for t in targets]


def test_unknown_paper_and_table() -> None:
    with pytest.raises(UsageError, match="unknown paper 'sam'"):
        published.load("sam")
    with pytest.raises(UsageError, match="unknown table of dropen '9'"):
        published.load("dropen", "9")


def test_table_10_gives_what_figure_4_says() -> None:
    """Rises with p up to 0.7 and falls from there to 1; p = 0 is lowest; ε = 7, p = 0.7 is best."""
    records = published.as_records(published.load("dropattack", "10"))
    curve = sensitivity.marginal(records, "p", records.reported)
    by_p = curve.set_index("value")["mean"]
    assert by_p.index.tolist() == [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1]
    assert (np.diff(by_p[:5]) > 0).all()
    assert (np.diff(by_p[4:]) < 0).all()
    cells = sensitivity.epsilon_p_cells(records, records.reported)
    best = cells.loc[cells["mean"].idxmax()]
    assert (best["epsilon"], best["p"], best["mean"]) == (7, 0.7, pytest.approx(0.9036))
    assert cells.loc[cells["p"] == 0, "mean"].tolist() == pytest.approx([0.8812] * 7)


BY_HAND = {
    "5": [
        "input+lstm.ih.w",
        "lstm.ih.w",
        "input",
        "input+lstm.hh.w+lstm.ih.w",
        "input+fc.w",
        "input+lstm.hh.w",
        "lstm.hh.w",
    ],
    "6": [
        "input+lstm.hh.w",
        "input+lstm.ih.w",
        "lstm.hh.w",
        "input",
        "input+lstm.hh.w+lstm.ih.w",
        "fc.w",
        "lstm.ih.w",
    ],
    "7": [
        "input+gru.ih.w",
        "input",
        "input+gru.hh.w+gru.ih.w",
        "input+gru.ih.w+gru.ih.w.reverse",
        "gru.hh.w+gru.ih.w",
        "input+gru.hh.w",
        "gru.ih.w",
        "gru.hh.w",
        "fc.w",
    ],
    "8": [
        "input+conv1.w",
        "input",
        "input+conv2.w",
        "conv2.w",
        "conv2.w+fc1.w",
        "input+conv1.b",
        "conv1.b+conv2.w",
        "conv1.w",
        "conv2.w+fc2.w",
        "conv1.w+fc1.w",
        "conv1.w+conv2.w",
        "conv1.w+conv2.w+fc1.w",
    ],
    "9": [
        "input+conv1.w",
        "input",
        "bn1.w",
        "bn8.w",
        "conv6.w",
        "input+conv3.w",
        "input+conv5.w",
        "input+bn1.w+conv1.w",
        "bn1.w+conv1.w",
        "conv1.w",
        "conv2.w",
    ],
}


@pytest.mark.parametrize("table", BY_HAND)
def test_tables_5_to_9_rank_as_by_hand(table: str) -> None:
    """Each target set by its best row, read off the printed tables; ties in any order."""
    records = published.as_records(published.load("dropattack", table))
    ranked = ranking.rank_target_sets(ranking.scored_target_sets(records, records.reported))
    score = dict(zip(ranked["targets"], ranked["mean"].round(6), strict=True))
    assert set(score) == set(BY_HAND[table])
    assert [score[t] for t in BY_HAND[table]] == sorted(score.values(), reverse=True)
    assert ranked["p_value"].isna().all()


def test_table_3_saves_half_the_data_at_some_sizes_only() -> None:
    """At 2,500 the method's 83.88 lies between standard's 82.62 (5,000) and 84.92 (10,000)."""
    records = published.as_records(published.load("dropattack", "3"))
    saved = budget.data_saved(budget.training_size_curves(records, records.reported), records.reported)
    by_size = saved.set_index("size")["saved"]
    needed = 5000 * 2 ** ((83.88 - 82.62) / (84.92 - 82.62))
    assert by_size[2500] == pytest.approx(1 - 2500 / needed)
    assert (by_size[[1000, 2500, 5000, 10000]] > 0.5).all()
    assert (by_size[[100, 500]] < 0.5).all()
    beyond = saved.set_index("size").loc[[20000, 40000]]
    assert beyond["beyond"].tolist() == [1, 1]
    assert beyond["at_least"].tolist() == [0.5, 0.0], "88.86 at 20,000 is above 88.12 at 40,000"


def test_a_full_split_is_the_last_point_of_table_3() -> None:
    records = published.as_records(published.load("dropattack", "3"))
    frame = records.trials.assign(
        **{"training.train_size": records.trials["training.train_size"].replace(40_000, 0)}
    )
    full, stated = (
        budget.training_size_curves(found, records.reported)
        for found in (replace(records, trials=frame), records)
    )
    assert full.drop(columns="sample").equals(stated.drop(columns="sample"))
    assert sorted(set(full["size"])) == [100, 500, 1000, 2500, 5000, 10_000, 20_000, 40_000]
    part = replace(records, trials=frame, incomplete=["imdb-lstm trains on a part of its dataset: 9 of 50"])
    assert max(budget.training_size_curves(part, records.reported)["size"]) == 20_000
    counted = replace(part, trials=frame.assign(train_examples=30_000.0))
    assert max(budget.training_size_curves(counted, records.reported)["size"]) == 30_000


def test_contradictions_stand_in_the_tables() -> None:
    """Those between Table 5 and Table 10 are found in the data too, and no others."""
    both = published.load("dropattack", "5").merge(
        published.load("dropattack", "10"), on=["targets", "epsilon", "p", "k"], suffixes=("_5", "_10")
    )
    differing = both[both["value_5"] != both["value_10"]]
    listed = published.contradictions().query("place_a == 'Table 5'")
    assert sorted(differing["value_5"]) == sorted(listed["value_a"].astype(float))
    assert sorted(differing["value_10"]) == sorted(listed["value_b"].astype(float))


def test_table_2_is_contradicted_where_it_is_not_the_best_of_its_details() -> None:
    """Tables 5 to 9 detail Table 2's rows: each value should be the best of its targets there."""
    numbers = published.load("dropattack")
    same = ["workload", "metric", "method", "targets"]
    details = numbers[numbers["table"].isin(list("56789"))].groupby(same, dropna=False)["value"].max()
    rows = numbers[(numbers["table"] == "2") & numbers["method"].isin(["standard", "dropattack"])]
    both = rows.merge(details.rename("best").reset_index(), on=same)
    assert len(both) == 18
    differing = both[both["value"] != both["best"]]
    listed = published.contradictions().query("place_a == 'Table 2'")
    pairs = zip(listed["value_a"].astype(float), listed["value_b"].astype(float), strict=True)
    assert sorted(zip(differing["value"], differing["best"], strict=True)) == sorted(pairs)


def test_records_are_set_beside_the_rows_that_they_match() -> None:
    frame = synthetic.trials(workloads=["mnist-lenet5"], targets=["input"], epsilons=[5], ps=[0.5, 0.7])
    table = published.compare(synthetic.records(frame))
    assert set(zip(table["table"], table["row"], strict=True)) == {
        ("2", "Baseline"),
        ("2", "DropAttack-(I)"),
        ("8", "LeNet-5"),
        ("Figure 2B", "classical LeNet"),
        ("8", "DropAttack[Input] e=5 p=0.5"),
    }
    stated = table[table["row"] == "DropAttack[Input] e=5 p=0.5"].iloc[0]
    assert stated["published"] == pytest.approx(0.9916)
    assert stated["published_gain"] == pytest.approx(0.0021)
    ours = frame[(frame["p"] == 0.5)]["test_accuracy"].mean()
    assert stated["mean"] == pytest.approx(ours)
    judged = table["paper"] == "dropattack"
    assert (table.loc[judged, "verdict"] == DIFFERS).all()
    assert (table.loc[~judged, "verdict"] == WITHHELD).all(), "5 epochs are not the 500 of that paper"


def test_a_part_of_the_data_gets_no_verdict() -> None:
    """Tables without a column of training sizes were measured on all examples."""
    for size, verdicts in ((0, {DIFFERS}), (50_000, {DIFFERS}), (2000, {WITHHELD})):
        frame = synthetic.trials(
            workloads=["mnist-lenet5"],
            targets=["input"],
            epsilons=[5],
            ps=[0.5],
            training={"training.train_size": size},
        )
        table = published.compare(synthetic.records(frame))
        own = table[table["paper"] == "dropattack"]
        assert set(own["size"]) == {size or 50_000}
        assert set(own["verdict"]) == verdicts
        remarks = {d.text for deviations in own["deviations"] for d in deviations}
        assert remarks == ({"training examples 2,000 (paper: 50,000)"} if size == 2000 else set())


def test_a_relative_epsilon_is_not_set_beside_a_papers() -> None:
    frame = synthetic.trials(workloads=["mnist-lenet5"], targets=["input"], epsilons=[5], ps=[0.5])
    attack = frame["method"] == "dropattack"
    for scale, compared in (("absolute", True), ("relative", False)):
        records = synthetic.records(frame.assign(epsilon_scale=np.where(attack, scale, None)))
        table = published.compare(records)
        assert ("DropAttack[Input] e=5 p=0.5" in set(table["row"])) == compared

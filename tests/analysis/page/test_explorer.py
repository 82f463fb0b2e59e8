"""All trials on a page: its data against the records, and its script in a browser."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.page.explorer import Explorer
from analysis.records import Records
from analysis.report import write_report
from tests import browser
from tests.analysis import synthetic
from tests.analysis.questions import test_robustness

GRID: dict[str, Any] = {
    "targets": ["input", "conv1.w"],
    "epsilons": [1, 5],
    "ps": [0.5, 0.7],
    "seeds": range(3),
}


def some_records(**changes: Any) -> Records:
    """A grid of which some trials failed and some were stopped."""
    frame = synthetic.trials(**GRID)
    frame.loc[3, ["state", "reason", "value"]] = ["failed", "loss is </script><b>nan & gone", np.nan]
    frame.loc[4, "state"] = "pruned"
    return synthetic.records(frame, **changes)


def values(data: dict[str, Any], name: str) -> list[Any]:
    field = next(field for field in data["fields"] if field["name"] == name)
    return field["values"] if field["numeric"] else [field["words"][at] for at in field["at"]]


def test_every_trial_is_there_with_its_values_and_its_gain() -> None:
    records = some_records()
    data = json.loads(Explorer(records).json())
    trials = records.trials
    assert values(data, "method") == list(trials["method"])
    assert values(data, "targets") == [value or "" for value in trials["targets"].fillna("")]
    valid = pd.Series(values(data, "valid"), dtype=float)
    assert np.allclose(valid, 100 * trials["value"], atol=1e-4, equal_nan=True)
    plain = trials[trials["method"] == "standard"].set_index("seed")["value"]
    expected = 100 * (trials["value"] - trials["seed"].map(plain))
    shown = (trials["state"] == "complete") & (trials["method"] != "standard")
    gain = pd.Series(values(data, "gain"), dtype=float)
    assert np.allclose(gain, expected.where(shown), atol=1e-4, equal_nan=True)
    assert values(data, "reason").count("loss is </script><b>nan & gone") == 1
    assert len(data["links"]) == len(trials)


def test_what_a_user_wrote_ends_no_element() -> None:
    text = str(Explorer(some_records()).json())
    assert not {"<", ">", "&"} & set(text)


def test_links_that_are_no_addresses_are_left_out() -> None:
    assert json.loads(Explorer(some_records(run_url="javascript:alert('{run_id}')")).json())["links"] == []


def test_long_curves_are_thinned_and_keep_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = synthetic.trials(**GRID, training={"training.epochs": 100})
    monkeypatch.setattr("analysis.page.explorer._CURVE_NUMBERS", 3 * 20 * len(frame))
    records = synthetic.records(frame)
    data = json.loads(Explorer(records).json())
    assert data["metrics"] == ["train accuracy (%)", "validation accuracy (%)"]
    key = records.trials["key"].iloc[0]
    whole = records.epochs[records.epochs["key"] == key].set_index("epoch")
    epochs, train, valid = data["curves"][data["curve"][0]]
    assert len(epochs) == 20
    assert (epochs[0], epochs[-1]) == (1, 100)
    assert np.allclose(train, 100 * whole.loc[epochs, "train_accuracy"], rtol=1e-3)
    assert np.allclose(valid, 100 * whole.loc[epochs, "valid_accuracy"], rtol=1e-3)


def test_records_without_curves_have_none() -> None:
    data = json.loads(Explorer(some_records(epochs=pd.DataFrame())).json())
    assert set(data["curve"]) == {-1}


def test_a_page_of_500_trials_stays_below_a_megabyte(tmp_path: Path) -> None:
    grid = GRID | {"epsilons": [0.01, 0.1, 1, 5, 9], "ps": [0.1, 0.3, 0.5, 0.7, 1.0], "seeds": range(10)}
    records = synthetic.records(synthetic.trials(**grid, training={"training.epochs": 40}))
    assert len(records.trials) > 500
    assert write_report(records, tmp_path).stat().st_size < 1_000_000


@pytest.mark.heavy
def test_the_table_filters_sorts_and_opens_in_a_browser(tmp_path: Path) -> None:
    """Each step's rows are counted from the records."""
    records = some_records()
    trials = records.trials
    said = browser.after(
        write_report(records, tmp_path),
        """
        const rows = () => document.querySelectorAll("#explorer tbody tr").length;
        const input = document.querySelector("#explorer input");
        const type = (text) => { input.value = text; input.dispatchEvent(new Event("input")); };
        say(rows());
        const words = ["p=0.5", "input p>=0.7", "ε=5 targets=conv1.w", "state=failed", "gone", "nowhere", ""];
        for (const text of words) { type(text); say(rows()); }
        const head = [...document.querySelectorAll("#explorer th")];
        const seed = head.findIndex((each) => each.textContent.trim() === "seed");
        head[seed].querySelector("button").click();
        say(document.querySelector("#explorer tbody tr").cells[seed].textContent);
        say(head[seed].getAttribute("aria-sort"));
        document.querySelector("#explorer tbody .opener button").click();
        say(document.querySelectorAll("#explorer .detail polyline").length);
        say(document.querySelector("#explorer .detail polyline").getAttribute("points").split(" ").length);
        document.querySelector("#explorer tbody .opener button").click();
        say(document.querySelectorAll("#explorer .detail").length);
        """,
    )
    inputs = trials["targets"] == "input"
    expected = [
        len(trials),
        (trials["p"] == 0.5).sum(),
        # "input" is looked for in every cell, and stands in no other.
        (inputs & (trials["p"] >= 0.7)).sum(),
        ((trials["targets"] == "conv1.w") & (trials["epsilon"] == 5)).sum(),
        1,
        1,
        0,
        len(trials),
    ]
    assert said.split() == [*(str(count) for count in expected), "2", "descending", "2", "5", "0"]


@pytest.mark.heavy
def test_a_cell_tells_its_seeds_and_leads_to_its_trials(tmp_path: Path) -> None:
    records = some_records()
    said = browser.after(
        write_report(records, tmp_path),
        """
        const named = (mark) => {
          mark.dispatchEvent(new PointerEvent("pointerenter"));
          return document.getElementById("tip");
        };
        const marks = [...document.querySelectorAll("#sensitivity .mark")];
        const text = marks.map((mark) => [...named(mark).children].map((line) => line.textContent).join("|"));
        const at = text.findIndex((each) => each.includes("failed"));
        say(text[at]);
        marks[at].dispatchEvent(new MouseEvent("click", { bubbles: true }));
        say(document.querySelector("#explorer .caption").textContent);
        const rows = [...document.querySelectorAll("#explorer tbody tr")];
        say(rows.map((row) => row.textContent.includes("failed")).join());
        document.querySelector("#explorer .chip").click();
        say(document.querySelector("#explorer .caption").textContent);
        say(document.querySelectorAll("#verdict .mark.leads").length);
        """,
    ).splitlines()
    trials = records.trials
    failed = trials[trials["state"] == "failed"].iloc[0]
    cell = trials[
        (trials["targets"] == failed["targets"])
        & (trials["epsilon"] == failed["epsilon"])
        & (trials["p"] == failed["p"])
    ]
    assert said[0].startswith(f"ε {failed['epsilon']:g}, p {failed['p']:g}: ")
    assert "2 seeds, 1 failed" in said[0]
    for _, row in cell.iterrows():
        value = "failed" if row["state"] == "failed" else f"{100 * row['value']:.2f}"
        assert f"|seed {row['seed']:.0f}: {value}" in said[0]
    assert said[1] == f"3 of {len(trials)} trials."
    assert sorted(said[2].split(",")) == ["false", "false", "true"]
    assert said[3] == f"All {len(trials)} trials."
    assert int(said[4]) >= 2


@pytest.mark.heavy
def test_a_phone_shows_every_value_of_a_table(tmp_path: Path) -> None:
    """Names of attacks, and gains with their intervals, are the longest that stand in one line."""
    trials = test_robustness.trials()
    trials["test_accuracy"] -= 0.01 * np.random.default_rng(0).random(
        len(trials)
    )  # so that gains have intervals
    attacked = test_robustness.records(trials)
    said = browser.after(
        write_report(attacked, tmp_path),
        """
        const tables = [...document.querySelectorAll(".scroll:has(table)")];
        say(tables.length > 5);
        for (const each of tables)
          if (each.scrollWidth > each.clientWidth) say(each.parentElement.textContent.trim().slice(0, 60));
        """,
        width=390,
    )
    assert said.split() == ["true"]

"""Robustness in reports: numbers by hand, checks beside them, and nothing where nothing was attacked."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.published import compare
from analysis.questions.robustness import cases, checks, costs, under_attack
from analysis.records import CONTROL, Records
from analysis.report import sections, write_report
from analysis.sections.robustness import section
from tests.analysis import synthetic

_SPACE = "\N{NO-BREAK SPACE}"
CLEAN = {"standard": 0.98, "fgsm": 0.96, "apb": 0.97}
UNDER = {"standard": (0.5, 0.02), "fgsm": (0.9, 0.8), "apb": (0.95, 0.96)}


def trials(seeds: int = 3, **changes: Any) -> pd.DataFrame:
    """Three methods under FGSM at two ε, of which one does not fall, and PGD at the larger."""
    rows = []
    for seed in range(seeds):
        luck = 0.01 * (seed - 1)
        for method, (small, large) in UNDER.items():
            rows.append(
                {
                    "key": f"{method}{seed}",
                    "sweep": "s",
                    "stage": "grid",
                    "state": "complete",
                    "workload": "mnist-lenet5",
                    "method": method,
                    "seed": seed,
                    "passes": 2 if method == "fgsm" else 1,
                    "value": CLEAN[method],
                    "training.epochs": 3,
                    "training.robustness": "fgsm:0.1,0.3+pgd-20:0.3",
                    "test_accuracy": CLEAN[method],
                    "test_fgsm_0.1_accuracy": small + luck,
                    "test_fgsm_0.3_accuracy": large + luck,
                    "test_pgd-20_0.3_accuracy": large / 2 if method != "apb" else 0.97,
                    "test_zero_gradient": 0.0,
                    "train_seconds": 4.0 if method == "fgsm" else 2.0,
                    "train_steps": 100,
                    **changes,
                }
            )
    return pd.DataFrame(rows)


def records(frame: pd.DataFrame) -> Records:
    return Records(frame, sweep={"name": "s"})


def test_accuracies_gains_and_descents_by_hand() -> None:
    table = under_attack(records(trials())).set_index(["attack", "epsilon", "method"])
    row = table.loc[("fgsm", 0.3, "fgsm")]
    values = np.array([0.79, 0.80, 0.81])
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) / np.sqrt(3)
    assert row["n"] == 3
    assert row["mean"] == pytest.approx(0.8)
    assert row["high"] - row["mean"] == pytest.approx(half)
    assert row["gain"] == pytest.approx(0.78)
    assert row["descent"] == pytest.approx(0.16)
    assert row["descent_high"] - row["descent"] == pytest.approx(half)
    assert row["relative_descent"] == pytest.approx(0.16 / 0.96)
    assert np.isnan(table.loc[("fgsm", 0.3, "standard"), "gain"])
    assert table.loc[("clean", 0.0, "apb"), "mean"] == pytest.approx(0.97)


def test_costs_by_hand() -> None:
    table = costs(records(trials())).set_index("method")
    assert table.loc["standard", "milliseconds"] == pytest.approx(20)
    assert table.loc["fgsm", "times"] == pytest.approx(2)
    assert table.loc["fgsm", "passes"] == 2


def test_times_that_were_not_measured_are_missing() -> None:
    table = costs(records(trials().drop(columns="train_steps")))
    assert table["milliseconds"].isna().all()


def test_checks_name_the_method_that_does_not_fall() -> None:
    table = checks(records(trials()))
    fired = table[table["finding"].fillna("") != ""]
    assert set(fired["method"]) == {"apb"}
    assert list(fired["finding"]) == ["accuracy under fgsm stays at 96.0 % from ε 0.1 to 0.3"]
    assert table[table["check"] == "transfer"]["finding"].isna().all()


def test_the_section_warns_beside_its_figure() -> None:
    found = section(records(trials()))
    assert found is not None
    figure, comparison, masking, details = found.parts
    assert "apb" in figure.caution
    assert any(": apb: gradients look masked: " in text for text in found.findings)
    rows = {row["label"]: row for row in comparison.visible()}
    cells = {column.label: column.text(rows["fgsm"]) for column in comparison.columns}
    assert cells["clean (%)"].startswith("96.00")
    assert cells["fgsm ε 0.3 (%)"].startswith("80.00")
    assert cells["times standard"] == "2.00"
    assert {row["label"] for row in masking.visible()} == {"standard", "fgsm", "apb"}
    assert len(details.frame) == 9


def test_autoattack_comes_first_with_its_budget_and_what_its_square_adds() -> None:
    """Square adds three points to what APGD and FAB found on one of the methods."""
    added = trials()["method"].map({"standard": 0.0, "fgsm": 0.001, "apb": 0.03})
    left = trials()["test_pgd-20_0.3_accuracy"] - 0.1
    frame = trials().assign(
        **{"test_autoattack_0.3_accuracy": left - added, "test_autoattack_0.3_left_by_fab-t": left}
    )
    found = section(records(frame))
    assert found is not None
    assert "accuracy (%) under autoattack (APGD-CE of 100 steps" in found.findings[0]
    assert "Square of 5,000 queries), at ε 0.3" in found.findings[0]
    (masked,) = [text for text in found.findings if "look masked" in text]
    assert ": apb: " in masked
    assert "Square fools 3.0 % that APGD and FAB leave right at ε 0.3" in masked
    _, comparison, masking, _ = found.parts
    assert "autoattack ε 0.3 (%)" in [column.label for column in comparison.columns]
    assert "AutoAttack's Square" in [column.label for column in masking.columns]


def test_a_report_without_attacks_has_no_such_section() -> None:
    plain = synthetic.records()
    assert cases(plain) == {}
    assert "robustness" not in {part.name for part in sections(plain)}


@pytest.mark.parametrize("part", ["", "-of-500"])
def test_a_report_with_attacks_in_every_format(tmp_path: Any, part: str) -> None:
    attacked = {name: name.replace("_0.", f"{part}_0.") for name in trials() if name.endswith("_accuracy")}
    frame = trials().rename(columns=attacked)
    assert f"test_pgd-20{part}_0.3_accuracy" in frame
    page = write_report(records(frame), tmp_path, ("html", "md", "png", "svg", "csv"))
    assert 'id="robustness"' in page.read_text(encoding="utf-8")
    assert list((tmp_path / "figures").glob("robustness-mnist-lenet5*-accuracy-under-attack.png"))
    assert (tmp_path / "tables" / "attacks.csv").is_file()


def test_scenarios_stand_apart_and_plain_training_stays_the_baseline() -> None:
    """The FGSM examples of a scenario cost passes, which make plain training no control."""
    both = trials().assign(**{"training.examples": "both"})
    both["key"] = "b" + both["key"]
    both.loc[both["method"] == "standard", "passes"] = 3
    frame = pd.concat([trials().assign(**{"training.examples": "clean"}), both], ignore_index=True)
    table = under_attack(records(frame))
    assert set(table["training"]) == {f"examples{_SPACE}clean", f"examples{_SPACE}both"}
    assert table[table["method"] != "standard"]["gain"].notna().all()
    assert set(records(frame).trials[CONTROL]) == {""}
    frame.loc[0, "rounds"] = 3
    assert (records(frame).trials[CONTROL] == "equal-passes").sum() == 1


def test_few_settings_are_variants_and_many_are_one() -> None:
    few = pd.concat(
        [trials().assign(direction=d, key=lambda f, d=d: f["key"] + d) for d in ("ascend", "descend")],
        ignore_index=True,
    )
    few.loc[few["method"] != "apb", "direction"] = None
    table = under_attack(records(few.drop_duplicates(["method", "seed", "direction"])))
    variants = table[table["method"] == "apb"]["variant"]
    assert set(variants) == {f"direction{_SPACE}ascend", f"direction{_SPACE}descend"}
    many = pd.concat(
        [trials().assign(eta=e, key=lambda f, e=e: f["key"] + str(e)) for e in range(8)], ignore_index=True
    )
    assert set(under_attack(records(many))["variant"]) == {""}


def test_names_of_one_training_are_one_variant() -> None:
    names = [
        trials().assign(mode=mode, configuration_id=lambda f: f["method"])
        for mode in ("accumulate", "recompute")
    ]
    table = under_attack(records(pd.concat(names, ignore_index=True)))
    assert set(table["variant"]) == {""}
    assert set(table["n"]) == {3}


def test_what_is_tested_with_makes_no_setting_of_its_own() -> None:
    frame = trials()
    frame.loc[frame["method"] == "apb", "training.robustness"] = "fgsm:0.1"
    table = under_attack(records(frame))
    assert table["setting"].nunique() == 1
    assert table[table["method"] == "apb"]["gain"].notna().all()


def test_the_papers_robust_accuracies_are_compared() -> None:
    table = compare(records(trials())).set_index(["paper", "row", "metric"])
    ours = table.loc[("apb", "LeNet with adversarial perturbation bias", "test_fgsm_0.3_accuracy")]
    first = ours.iloc[0]
    assert first["published"] == pytest.approx(0.9888)
    assert first["mean"] == pytest.approx(0.96)
    assert first["published_gain"] == pytest.approx(0.9888 - 0.1808)


def test_a_scenario_is_compared_with_its_own_numbers() -> None:
    frame = trials().assign(**{"training.examples": "both"})
    table = compare(records(frame))
    table = table[(table["metric"] == "test_fgsm_0.3_accuracy") & (table["row"] == "classical LeNet")]
    assert list(table["published"]) == [pytest.approx(0.9701)]


def test_dropens_descent_is_read_as_a_share_in_pixels() -> None:
    frame = trials(workload="mnist-lenet").assign(**{"test_pgd-50_0.216_accuracy": 0.245})
    table = compare(records(frame[frame["method"] == "standard"]))
    row = table[table["metric"] == "test_pgd-50_0.216_descent"].iloc[0]
    assert row["published"] == pytest.approx(0.8027)
    assert row["mean"] == pytest.approx((0.98 - 0.245) / 0.98)

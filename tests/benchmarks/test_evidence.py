"""The evidence recomputed from files of records."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.export import from_parquet, write_trials
from analysis.questions.answers import Effect, Outcome
from analysis.questions.contest import Met, contests
from benchmarks.evidence import Reached, main, reached, ruled
from tests.analysis.questions.test_contest import contest_records


def test_contrasts_of_several_sweeps_are_corrected_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two sweeps of one dataset each, of four that are planned: the smaller p counts four times."""
    files, p, alike = [], [], []
    for place, gain in enumerate((0.010, 0.012)):
        records = contest_records(gain, 0.02, np.random.default_rng(place), controls={"eps-zero": 0.01})
        folder = tmp_path / str(place)
        folder.mkdir()
        write_trials(records, folder, "parquet")
        files.append(str(folder / "trials.parquet"))
        found = [met.contrast for met in contests(records).values()]
        p += [contrast.effect.p for contrast in found]
        alike += [contrast.equivalence for contrast in found]
    main(files)
    text = capsys.readouterr().out
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| w | ")]
    assert [row[2:4] for row in rows] == [["`layers`", "`sam`"]] * 2
    for column, values in ((6, p), (7, alike)):
        first, second = sorted(values)
        corrected = [min(4 * first, 1), min(max(4 * first, 3 * second), 1)]
        assert sorted(float(row[column]) for row in rows) == pytest.approx(corrected, abs=6e-4)
    assert text.count("| `eps-zero` |") == 2


def test_a_contrast_without_all_of_its_fresh_seeds_is_undecided(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gain that eleven seeds show counts as p = 1 if the twelfth failed, and not before it has ended."""
    records = contest_records(0.02, 0.002, np.random.default_rng(0))
    last = (records.trials["seed"] == records.trials["seed"].max()) & (records.trials["stage"] == "confirm")
    lost = records.trials.assign(state=records.trials["state"].mask(last, "failed"))
    for kept, outcome in ((records.trials, "helps"), (lost, "undecided")):
        write_trials(replace(records, trials=kept), tmp_path, "parquet")
        main([str(tmp_path / "trials.parquet")])
        (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| w | ")]
        assert row.startswith(f"| w | {outcome} |")
        assert ("| 1.000 | 1.000 |" in row) == (outcome == "undecided")
    write_trials(replace(records, trials=records.trials[~last]), tmp_path, "parquet")
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "trials.parquet")])
    assert ended.value.code == 2
    assert "has no arms that have met on all fresh seeds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("less", "outcome"),
    [
        (0.01, "helps"),
        (0.0, "helps, but its attack makes no difference that matters"),
        (-0.01, "helps, but without its attack it is better"),
    ],
)
def test_the_first_table_says_what_part_the_attack_has(
    less: float, outcome: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_trials(contest_records(0.02, controls={"eps-zero": less}), tmp_path, "parquet")
    main([str(tmp_path / "trials.parquet")])
    assert f"| w | {outcome} | `layers` | `sam` |" in capsys.readouterr().out


def test_models_that_no_attack_reached_are_counted() -> None:
    """Attacks begin after 24 of 30 epochs: a best epoch of 24 is plain training's, one of 25 is not."""
    records = contest_records(0.02)
    trials = records.trials
    fresh = trials.index[(trials["stage"] == "confirm") & (trials["targets"] == "fc1.w")]
    late = trials.assign(best_epoch=30, start=np.nan, train_relative_size=np.nan)
    late.loc[fresh, "start"] = 0.8
    late.loc[fresh, "train_relative_size"] = 0.012
    late.loc[fresh[:3], "best_epoch"] = [1, 24, 25]
    for told, start in (("2 of 12 models of `layers` are", late["start"]), ("0 of 12", np.nan)):
        planted = replace(records, trials=late.assign(start=start))
        (met,) = contests(planted).values()
        assert reached(planted, met).told.startswith(told)
        assert "have 1.2 % of the norm of what they attack." in reached(planted, met).told


ROOT = Path(__file__).parents[2]
PUBLISHED = sorted(ROOT.glob("docs/evidence/*.parquet"))
CONTROL = Effect(12, 0.01, 0.005, 0.015, 0.004, 0.001)


def _found(outcome: Outcome, crossed: tuple[float, float], control: Effect | None = CONTROL) -> Met:
    (met,) = contests(contest_records(0.02, controls={"eps-zero": 0.01})).values()
    contrast = replace(met.contrast, outcome=outcome, crossed=crossed)
    over = {} if control is None else {"eps-zero": control}
    return replace(met, contrast=contrast, over_controls=over, scale=replace(met.scale, margin=0.003))


def test_a_gain_is_credited_to_the_attack_if_its_control_does_not_have_it() -> None:
    """Better than eps-zero and significantly so; then by luck, worse, not on all seeds, without it."""
    seen = Reached("layers", 12, 6, math.nan)
    crossed = (0.001, 0.02)
    found = ruled(_found(Outcome.HELPS, crossed), seen)
    assert found == (
        "Helps, on other examples too. The attack has a part in it: the arm has +1.00 [+0.50, +1.50] points "
        "over its control `eps-zero` (p-value 0.001)."
    )
    others = (replace(CONTROL, p=0.2), replace(CONTROL, gain=-0.01), replace(CONTROL, n=11), None)
    for control in others:
        assert "not credited to the attack" in ruled(_found(Outcome.HELPS, crossed, control), seen)
    assert "credited" not in ruled(_found(Outcome.HARMS, (-0.02, -0.001)), seen)


@pytest.mark.parametrize(
    ("outcome", "crossed", "beyond"),
    [
        (Outcome.HELPS, (-0.001, 0.02), False),
        (Outcome.HARMS, (-0.02, 0.001), False),
        (Outcome.HARMS, (-0.02, -0.001), True),
        (Outcome.ALIKE, (-0.003, 0.003), True),
        (Outcome.ALIKE, (-0.002, 0.004), False),
        (Outcome.HELPS, (math.nan, math.nan), False),
    ],
)
def test_a_verdict_is_of_these_examples_unless_the_second_interval_agrees(
    outcome: Outcome, crossed: tuple[float, float], beyond: bool
) -> None:
    told = ruled(_found(outcome, crossed), Reached("layers", 12, 0, math.nan))
    assert told.startswith(f"{outcome.value.capitalize()}, on ")
    assert ("on other examples too" in told, "on these test examples" in told) == (beyond, not beyond)


def test_a_verdict_of_models_that_no_attack_reached_is_about_plain_training() -> None:
    """Seven of twelve are more than half, six are not."""
    met = _found(Outcome.ALIKE, (-0.001, 0.001))
    assert ruled(met, Reached("layers", 12, 7, math.nan)).endswith("about plain training of that length.")
    assert "no attack" not in ruled(met, Reached("layers", 12, 6, math.nan))


def test_what_is_no_contest_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "none.parquet")])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_every_table_and_verdict_of_the_page_is_what_the_records_give(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main([str(file) for file in PUBLISHED])
    written = (ROOT / "docs/results.md").read_text(encoding="utf-8").splitlines()
    printed = [line for line in capsys.readouterr().out.splitlines() if line and not line.startswith("## ")]
    assert [line for line in printed if line not in written] == []
    assert sum(line.startswith("| `") for line in printed) >= 13


def test_no_seed_of_the_published_records_tuned_and_confirmed() -> None:
    assert PUBLISHED
    for file in PUBLISHED:
        trials = from_parquet(file).trials
        fresh = trials["stage"] == "confirm"
        assert not set(trials["seed"][fresh]) & set(trials["seed"][~fresh])
        assert trials["test_accuracy"][fresh].notna().all()
        assert trials["test_accuracy"][~fresh].isna().all()

"""What was run?"""

import pandas as pd

from analysis.document import Section, Table, number_column, text_column
from analysis.pairing import with_gain
from analysis.records import COMPLETE, FAILED, PRUNED, RUNNING, Records
from analysis.sections.trained import mixed_times
from analysis.statistics import ALPHA, FEWEST


def section(records: Records) -> Section:
    """Counts, seeds, and what these data can show at best."""
    trials = records.trials
    if trials.empty:
        return Section("trials", "What was run", ["The sweep has no recorded trial yet."])
    counts = trials["state"].value_counts()
    parts = [f"{counts[state]} {state}" for state in (COMPLETE, PRUNED, FAILED, RUNNING) if counts.get(state)]
    once = trials.drop_duplicates("key")
    copies = len(trials) - len(once)
    source, sweep = once["reused_from"].str.partition("/")[0], once["sweep"]
    reused = int(((source != "") & (source != sweep)).sum())
    parts += [f"{reused} of them reused from other sweeps"] if reused else []
    same = f", {copies} of them share the training of another" if copies else ""
    findings = [f"{len(trials)} trials{same}: {', '.join(parts)}.", *map(_sentence, records.incomplete)]
    if not counts.get(COMPLETE):
        findings.append("No trial is complete, so there is nothing to compare yet.")
    table = _table(trials, mixed_times(records))
    return Section("trials", "What was run", findings, [table], _cautions(records))


def _sentence(line: str) -> str:
    return f"{line}."


def _table(trials: pd.DataFrame, machines: str) -> Table:
    states = trials.assign(**{s: trials["state"] == s for s in (COMPLETE, PRUNED, FAILED, RUNNING)})
    states["seconds"] = states["seconds"].where(states["reused_from"] == "")
    by = ["workload", "stage", "method"]
    table = states.groupby(by).agg(
        trials=("key", "count"),
        seeds=("seed", "nunique"),
        complete=(COMPLETE, "sum"),
        pruned=(PRUNED, "sum"),
        failed=(FAILED, "sum"),
        running=(RUNNING, "sum"),
        hours=("seconds", lambda s: s.sum() / 3600),
    )
    numbers = ("trials", "seeds", "complete", "pruned", "failed", "running")
    columns = [*(text_column(c, c) for c in by), *(number_column(c, c) for c in numbers)]
    columns.append(number_column("hours", "hours", 2))
    return Table(
        "stages",
        "Trials by stage",
        "Pruned trials were stopped early and are in no mean. Hours are training time of this sweep: a trial "
        "that reuses another's result took none." + machines,
        table.reset_index(),
        columns,
    )


def _cautions(records: Records) -> list[str]:
    complete = records.complete(controls=True)
    notes: list[str] = []
    if complete.empty:
        return notes
    attacks, baseline = complete[~records.plain(complete)], records.baselines()
    if len(attacks) and baseline.empty:
        notes.append(
            "No baseline (method standard) is recorded, so no gain can be shown; "
            "add it to the sweep's methods."
        )
    pairs = _most_pairs(records, attacks)
    if complete["seed"].nunique() < FEWEST:
        notes.append(
            f"Fewer than {FEWEST} seeds do not show the spread, so there are no intervals and no tests here. "
            "Run at least 5, better 10."
        )
    elif FEWEST <= pairs < 6:
        smallest = 2 * 0.5**pairs
        notes.append(
            f"With at most {pairs} paired seeds, a Wilcoxon test cannot reach a p below {smallest:.4g}"
            f"{'' if smallest < ALPHA else f', so never below {ALPHA:.2f}'}. The paired t tests "
            "used here can, but they assume that differences are roughly normal."
        )
    return notes


def _most_pairs(records: Records, attacks: pd.DataFrame) -> int:
    """The most seeds that any test here pairs with the baseline: searched and fresh ones are never pooled."""
    paired = with_gain(records, attacks, records.reported).dropna(subset="gain")
    paired = paired.assign(fresh=paired["stage"].isin(records.confirmations))
    by = ["workload", "method", *records.training, "fresh"]
    return int(paired.groupby(by, dropna=False)["seed"].nunique().max()) if len(paired) else 0

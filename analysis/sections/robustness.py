"""How accurate are trained models under attack, and is that to be believed?"""

from functools import partial

import pandas as pd

from analysis.document import (
    Column,
    Figure,
    Row,
    Section,
    Table,
    gain_column,
    number_column,
    score_column,
    text_column,
)
from analysis.figures.curves import robustness
from analysis.notation import number, with_interval
from analysis.questions.robustness import (
    BY,
    CLEAN,
    cases,
    checks,
    costs,
    labelled,
    strongest_first,
    under_attack,
)
from analysis.questions.withstanding import widest_apart, with_masked
from analysis.records import BASELINE, Metric, Records
from dropattack.robustness import Case, Check, MaskingVerdict

_PANELS, _LINES = 2, 7


def section(records: Records) -> Section | None:
    """Robustness curves, one comparison of the methods, and the checks for masked gradients."""
    if not cases(records):
        return None
    table, cost, signs = under_attack(records), costs(records), checks(records)
    parts: list[Figure | Table] = []
    findings: list[str] = []
    for workload, group in table.groupby("workload", sort=True):
        attacks = strongest_first(group)
        fired = signs[(signs["workload"] == workload) & signs["finding"].fillna("").ne("")]
        settings = [own for _, own in group.groupby("setting", sort=True)]
        parts += [_curves(str(workload), own, attacks, fired, len(settings) > 1) for own in settings]
        parts.append(_comparison(str(workload), group, cost, fired, attacks))
        findings += _findings(str(workload), group, attacks[0], fired)
    parts += [_checks(signs), _details(table)]
    return Section("robustness", "Robustness", findings, parts, _NOTES)


_NOTES = [
    "An accuracy under attack is an upper bound: other attacks may find more. Believe it as far as "
    "attacks of another kind agree; the checks compare them.",
    "For images ε is in pixel units: 1 is the whole range of a pixel. For texts ε is in the embedding's own "
    "unit, and what an attack reaches there is not a text.",
]


def _several(group: pd.DataFrame, attacks: list[str]) -> list[str]:
    """The first attacks that were made at several ε, as many as there are panels."""
    sizes = group.groupby("attack")["epsilon"].nunique()
    return [name for name in attacks if sizes.get(name, 0) > 1][:_PANELS]


def _ordered(group: pd.DataFrame) -> pd.DataFrame:
    """Rows by setting, the baseline first."""
    return (
        labelled(group)
        .assign(first=group["method"] != BASELINE)
        .sort_values(["setting", "first", "method", "variant"], kind="stable")
    )


def _curves(
    workload: str, group: pd.DataFrame, attacks: list[str], fired: pd.DataFrame, several: bool
) -> Figure:
    """One training setting's methods; of more than can be told apart, those that withstand the most."""
    shown = _several(group, attacks) or attacks[:1]
    rows = _ordered(group[group["attack"].isin(["clean", *shown])].assign(training=""))
    standing = rows[rows["attack"] != "clean"].groupby(["first", "label"])["mean"].mean().reset_index()
    kept = standing.sort_values(["first", "mean"], ascending=[True, False], kind="stable").head(_LINES)
    more = len(standing) - len(kept)
    rows = rows[rows["label"].isin(kept["label"])]
    name, training = group[["setting", "training"]].iloc[0]
    fired = _ordered(fired[fired["setting"] == name].assign(training=""))
    signs = fired.groupby("label", sort=False)["finding"].agg("; ".join)
    warnings = " ".join(f"{label}: {text}." for label, text in signs.items())
    return Figure(
        f"robustness-{workload}-{name}" if several else f"robustness-{workload}",
        f"{workload}{f' ({training})' if training else ''}: accuracy under attack",
        "Test accuracy against ε, means over seeds with 95 % t intervals; at ε = 0 it is the clean accuracy. "
        "A method tried with many settings is scored by what the other seeds choose."
        + (f" {more} methods that withstand less are only in the tables." if more else ""),
        f"Signs of masked gradients. {warnings}"
        if warnings
        else "No check shows masked gradients; the table of checks shows which could not be made.",
        f"Accuracy of {rows['label'].nunique()} methods under {', '.join(shown)} for growing ε.",
        partial(robustness, rows, shown, CLEAN),
    )


def _comparison(
    workload: str, group: pd.DataFrame, cost: pd.DataFrame, fired: pd.DataFrame, attacks: list[str]
) -> Table:
    """Clean and robust accuracy beside the cost, one row per method."""
    told = list(dict.fromkeys(["clean", attacks[0], *_several(group, attacks)]))
    reference = group[group["attack"].isin(told)]
    sizes = {name: sorted(set(reference[reference["attack"] == name]["epsilon"])) for name in told}
    wide = reference.pivot(index=BY, columns=["attack", "epsilon"], values=["mean", "low", "high"])
    wide.columns = [f"{column[0]}@{column[1]} ε {column[2]:g}" for column in wide.columns]
    counts = reference.groupby(BY)["n"].min()
    frame = wide.join(counts).reset_index().merge(cost, on=BY)
    masked = fired.groupby(BY)["check"].agg(", ".join).rename("signs").reset_index()
    frame = _ordered(frame.merge(masked, on=BY, how="left")).drop(columns="first").reset_index(drop=True)
    columns = [text_column("method", "label"), text_column("signs of masking", "signs")]
    columns.append(number_column("n", "n"))
    columns += [_score(f"{name} ε {size:g}") for name in told for size in _ends(sizes[name])]
    columns += [
        number_column("passes per step", "passes"),
        number_column("ms per step", "milliseconds", 1),
        Column(
            "times standard",
            lambda row: number(row["times"], 2),
            lambda row: row["times"],
            numeric=True,
        ),
    ]
    return Table(
        f"robustness-methods-{workload}",
        f"{workload}: methods by clean accuracy, robust accuracy and cost",
        f"With 95 % t intervals; every other attack is in the tables below. Budgets: {_budgets(told[1:])}. "
        "Step times are medians over trials of what the training loop measured; trials that share a "
        "processor slow each other down.",
        frame,
        columns,
        shown=None,
    )


def _ends(sizes: list[float]) -> list[float]:
    """The smallest, the middle and the largest ε."""
    return sorted({sizes[0], sizes[len(sizes) // 2], sizes[-1]})


def _score(case: str) -> Column:
    def text(row: Row) -> str:
        return with_interval(row[f"mean@{case}"], row[f"low@{case}"], row[f"high@{case}"], CLEAN)

    label = "clean (%)" if case.startswith("clean") else f"{case} (%)"
    return Column(label, text, lambda row: row[f"mean@{case}"], numeric=True)


def _findings(workload: str, group: pd.DataFrame, attack: str, fired: pd.DataFrame) -> list[str]:
    reference = with_masked(_ordered(group[group["attack"] == attack]), fired)
    epsilon = widest_apart(reference)
    ranked = reference[reference["epsilon"] == epsilon].sort_values("mean", ascending=False, kind="stable")
    scores = ", ".join(
        f"{row['label']} {with_interval(row['mean'], row['low'], row['high'], CLEAN)}"
        for row in ranked.head(3).to_dict("records")
    )
    left = f" and {len(ranked) - 3} more" if len(ranked) > 3 else ""
    where = f"at ε {epsilon:g}, where methods differ most" if len(ranked) > 1 else f"at ε {epsilon:g}"
    found = [f"{workload}: accuracy (%) under {_budgets([attack])}, {where}: {scores}{left}."]
    signs: dict[str, list[Check]] = {}
    for row in _ordered(fired).to_dict("records") if len(fired) else []:
        signs.setdefault(str(row["label"]), []).append(Check(row["check"], row["finding"]))
    for label, checks_of in signs.items():
        verdict = f"{workload}: {label}: {MaskingVerdict(checks_of)}"
        found.append(f"{verdict}; do not take its accuracy under attack for robustness.")
    return found


def _budgets(names: list[str]) -> str:
    """How hard attacks try, such as ``pgd-20 (20 steps)``."""
    return "; ".join(f"{name} ({Case.parse(name, 1.0).attack.budget})" for name in names)


def _checks(signs: pd.DataFrame) -> Table:
    names = list(dict.fromkeys(signs["check"]))
    shown = signs.assign(text=signs["finding"].map(_verdict))
    wide = shown.pivot(index=BY, columns="check", values="text").reset_index()
    frame = _ordered(wide).drop(columns="first").reset_index(drop=True)
    return Table(
        "masking",
        "Checks for masked gradients",
        "Whether inputs have a gradient at all; whether accuracy falls with ε; whether one step is weaker "
        "than many, attacks without gradients and examples of another model weaker than those with the "
        "model's own gradients, and the margin loss not much stronger than the cross entropy. A dash is a "
        "check that these attacks do not allow, and not a good sign.",
        frame,
        [text_column("workload", "workload"), text_column("method", "label")]
        + [text_column(name, name) for name in names],
        shown=None,
    )


def _verdict(finding: str | None) -> str:
    return "–" if finding is None or finding != finding else finding or "no sign"


def _details(table: pd.DataFrame) -> Table:
    """Every case of every method."""
    attacked = _ordered(table[table["attack"] != "clean"])
    frame = attacked.sort_values(["workload", "attack", "epsilon"], kind="stable").reset_index(drop=True)

    def share(label: str, key: str) -> Column:
        def text(row: Row) -> str:
            return with_interval(row[key], row[f"{key}_low"], row[f"{key}_high"], CLEAN)

        return Column(label, text, lambda row: row[key], numeric=True)

    metric = Metric("accuracy")
    return Table(
        "attacks",
        "Every attack",
        "Gain over standard training of the same seed and examples. Accuracy descent in both readings: clean "
        "minus robust accuracy in points, and the same as a share of the clean accuracy.",
        frame.drop(columns="first"),
        [
            text_column("workload", "workload"),
            text_column("method", "label"),
            text_column("attack", "attack"),
            Column("ε", lambda row: f"{row['epsilon']:g}", lambda row: row["epsilon"], numeric=True),
            number_column("n", "n"),
            score_column(metric),
            gain_column(metric),
            share("descent (points)", "descent"),
            share("descent (% of clean)", "relative_descent"),
        ],
        shown=None,
    )

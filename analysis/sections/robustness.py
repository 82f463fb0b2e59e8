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
    number,
    number_column,
    score_column,
    text_column,
    with_interval,
)
from analysis.figures.curves import robustness
from analysis.records import BASELINE, Metric, Records
from analysis.robustness import BY, CLEAN, cases, checks, costs, under_attack
from dropattack.robustness import Attack

_PANELS = 2
_SETTING = ["setting", "workload", "training"]


def section(records: Records) -> Section | None:
    """Robustness curves, one comparison of the methods, and the checks for masked gradients."""
    if not cases(records):
        return None
    table, cost, signs = under_attack(records), costs(records), checks(records)
    parts: list[Figure | Table] = []
    findings: list[str] = []
    for workload, group in table.groupby("workload", sort=True):
        attacks = _attacks(group)
        fired = signs[(signs["workload"] == workload) & signs["finding"].fillna("").ne("")]
        parts.append(_curves(str(workload), group, attacks, fired))
        parts.append(_comparison(str(workload), group, cost, fired, attacks[0]))
        findings += _findings(str(workload), group, attacks[0], fired)
    parts += [_checks(signs), _details(table)]
    return Section("robustness", "Robustness", findings, parts, _NOTES)


_NOTES = [
    "An accuracy under attack is an upper bound: it says what these attacks did not find. It is to be "
    "believed as far as attacks of another kind agree, which is what the checks compare.",
    "ε is in pixel units, 1 being the whole range of a pixel; for texts it is in the embedding's own unit, "
    "and the points that an attack reaches there are no texts.",
]


def _attacks(group: pd.DataFrame) -> list[str]:
    """White-box attacks on the model itself, those with most ε and then most steps first."""
    own = group[(group["attack"] != "clean") & ~group["transfer"]]
    sizes = own.groupby("attack")["epsilon"].nunique()
    known = {name: Attack.parse(str(name)) for name in sizes.index}

    def order(name: str) -> tuple[bool, int, int, str]:
        return (not known[name].sees_gradients, -int(sizes[name]), -known[name].passes, name)

    return sorted(known, key=order) or sorted(set(group["attack"]) - {"clean"})


def _names(group: pd.DataFrame) -> pd.Series:
    parts = zip(group["method"], group["variant"], group["training"], strict=True)
    return pd.Series([" · ".join(filter(None, part)) for part in parts], index=group.index, dtype=object)


def _ordered(group: pd.DataFrame) -> pd.DataFrame:
    """Rows by setting, the baseline first."""
    return group.assign(label=_names(group), first=group["method"] != BASELINE).sort_values(
        ["setting", "first", "method", "variant"], kind="stable"
    )


def _curves(workload: str, group: pd.DataFrame, attacks: list[str], fired: pd.DataFrame) -> Figure:
    sizes = group.groupby("attack")["epsilon"].nunique()
    shown = [name for name in attacks if sizes[name] > 1][:_PANELS] or attacks[:1]
    rows = _ordered(group[group["attack"].isin(["clean", *shown])])
    signs = _ordered(fired).groupby("label", sort=False)["finding"].agg("; ".join)
    warnings = " ".join(f"{name}: {text}." for name, text in signs.items())
    return Figure(
        f"robustness-{workload}",
        f"{workload}: accuracy under attack",
        "Test accuracy against ε, means over seeds with 95 % t intervals; at 0 stands the clean accuracy. "
        "A method tried with many settings is scored by what the other seeds choose.",
        f"Signs of masked gradients. {warnings}"
        if warnings
        else "No check that could be made shows masked gradients; see below for those that could not.",
        f"Accuracy of {rows['label'].nunique()} methods under {', '.join(shown)} for growing ε.",
        partial(robustness, rows, shown, CLEAN),
    )


def _comparison(
    workload: str, group: pd.DataFrame, cost: pd.DataFrame, fired: pd.DataFrame, attack: str
) -> Table:
    """Clean and robust accuracy beside the cost, one row per method."""
    reference = group[group["attack"].isin(["clean", attack])]
    sizes = sorted(set(reference["epsilon"]))
    wide = reference.pivot(index=BY, columns="epsilon", values=["mean", "low", "high"])
    wide.columns = [f"{column[0]}@{column[1]:g}" for column in wide.columns]
    counts = reference.groupby(BY)["n"].min()
    frame = wide.join(counts).reset_index().merge(cost, on=BY)
    masked = fired.groupby(BY)["check"].agg(", ".join).rename("signs").reset_index()
    frame = _ordered(frame.merge(masked, on=BY, how="left")).drop(columns="first").reset_index(drop=True)
    columns = [text_column("method", "label"), number_column("n", "n")]
    columns += [_score(f"{attack} ε {e:g} (%)" if e else "clean (%)", f"{e:g}") for e in sizes]
    columns += [
        number_column("passes per step", "passes"),
        number_column("ms per step", "milliseconds", 1),
        Column(
            "times standard",
            lambda row: number(row["times"], 2),
            lambda row: row["times"],
            numeric=True,
        ),
        text_column("signs of masking", "signs"),
    ]
    return Table(
        f"robustness-{workload}",
        f"{workload}: methods by clean accuracy, robust accuracy and cost",
        f"Robust accuracy under {attack}, with 95 % t intervals. Step times are medians over trials of what "
        "the training loop measured; trials that share a processor slow each other down.",
        frame,
        columns,
    )


def _score(label: str, size: str) -> Column:
    def text(row: Row) -> str:
        return with_interval(row[f"mean@{size}"], row[f"low@{size}"], row[f"high@{size}"], CLEAN)

    return Column(label, text, lambda row: row[f"mean@{size}"], numeric=True)


def _findings(workload: str, group: pd.DataFrame, attack: str, fired: pd.DataFrame) -> list[str]:
    reference = _ordered(group[group["attack"] == attack])
    spread = reference.groupby("epsilon")["mean"].agg(lambda means: means.max() - means.min())
    epsilon = spread.idxmax()
    ranked = reference[reference["epsilon"] == epsilon].sort_values("mean", ascending=False, kind="stable")
    scores = ", ".join(
        f"{row['label']} {with_interval(row['mean'], row['low'], row['high'], CLEAN)}"
        for row in ranked.head(3).to_dict("records")
    )
    left = f" and {len(ranked) - 3} more" if len(ranked) > 3 else ""
    where = f"at ε {epsilon:g}, where methods differ most" if len(ranked) > 1 else f"at ε {epsilon:g}"
    found = [f"{workload}: accuracy (%) under {attack} {where}: {scores}{left}."]
    if len(fired):
        names = ", ".join(dict.fromkeys(_ordered(fired)["label"]))
        found.append(
            f"{workload}: signs of masked gradients in {names}; do not take accuracy for robustness there."
        )
    return found


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
        "check that these attacks do not allow, and no good sign.",
        frame,
        [text_column("workload", "workload"), text_column("method", "label")]
        + [text_column(name, name) for name in names],
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
        "minus robust accuracy in points, and that as a share of the clean accuracy.",
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
        shown=60,
    )

"""How many seeds did each candidate of a race get, and why no more?"""

from analysis.document import Column, Section, Table, number_column, text_column
from analysis.questions.racing import raced
from analysis.racing import ALL_SEEDS
from analysis.records import Records, labels


def section(records: Records) -> Section | None:
    """A table of a sweep's races; nothing where it has none."""
    table = raced(records)
    if table.empty:
        return None
    selected = records.selected
    names = [c for c in records.spelling if c != "workload"]
    names = [c for c in names if "." not in c or table[c].nunique(dropna=False) > 1]
    table = table.assign(configuration=labels(table, names))
    digits, scale = selected.decimals, selected.scale
    columns = [
        text_column("workload", "workload"),
        text_column("stage", "stage"),
        Column(
            "configuration",
            lambda row: str(row["configuration"]),
            href=lambda row: records.link(str(row["run_id"])),
        ),
        number_column("seeds", "n"),
        number_column(selected.label, "valid", digits, scale),
        number_column("behind the best", "behind", digits, scale),
        text_column("why no more", "why"),
    ]
    caption = (
        "A candidate gets its next seed only while the comparison with the best one, paired by seed, "
        "leaves it a chance. The best one gets all. A candidate with more seeds was better on its first "
        "ones, so these means are flattered and have no interval. Quote a confirmation on fresh seeds."
    )
    full, trainings = int((table["why"] == ALL_SEEDS).sum()), int(table["n"].sum())
    finding = f"{len(table)} candidates raced over seeds, in {trainings} trainings; {full} got all seeds."
    shown = Table("race", "Candidates", caption, table, columns, shown=15)
    return Section("race", "The race over seeds", [finding], [shown])

"""What changed between two sweeps?"""

from analysis.document import Column, Row, Section, Table, number_column, p_column, text_column
from analysis.notation import with_interval
from analysis.questions.comparison import compare_sweeps
from analysis.records import Records


def section(first: Records, second: Records) -> Section:
    """Configurations that both sweeps ran, paired by seed; handed to `write_report` as an extra part."""
    title = f"{second.name} beside {first.name}"
    table = compare_sweeps(first, second)
    if table.empty:
        return Section("comparison", title, ["The two sweeps share no configuration and seed."])
    metric = second.reported
    digits = 2 if metric.is_fraction else 4
    better = int((table["significant"] & (table["change"] > 0)).sum())
    worse = int((table["significant"] & (table["change"] < 0)).sum())
    same = bool((table["first"] == table["second"]).all())
    finding = (
        f"All {len(table)} shared configurations gave exactly the same {metric.name}."
        if same
        else f"Of {len(table)} shared configurations {better} are significantly better in {second.name} and "
        f"{worse} worse in {metric.name}."
    )

    def change(row: Row) -> str:
        return with_interval(row["change"], row["low"], row["high"], metric, signed=True)

    columns = [
        text_column("workload", "workload"),
        text_column("configuration", "configuration"),
        number_column("n", "n"),
        number_column(first.name, "first", digits, metric.scale),
        number_column(second.name, "second", digits, metric.scale),
        Column("change", change, lambda row: row["change"], numeric=True),
        p_column("p (Holm)", "p_holm"),
    ]
    caption = f"{metric.label}, paired by seed; a positive change is better in {second.name}."
    return Section("comparison", title, [finding], [Table("comparison", "Changes", caption, table, columns)])

"""How the command line lists sweeps."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from search.console.terminal import show_line
from search.definition.schema import check_schema
from search.definition.source import bundled_sweeps, read_source


def show_sweeps(console: Console, recorded: Sequence[str]) -> None:
    """Bundled sweeps and those on record."""
    table = Table("sweep", "workloads", "stages", "what it asks")
    for name in bundled_sweeps():
        sweep = check_schema(read_source(name), name)
        stages = ", ".join(stage.name for stage in sweep.stages)
        table.add_row(name, ", ".join(sweep.workloads), stages, escape(sweep.summary))
    console.print(table)
    if recorded:
        show_line(console, f"run in this store: {', '.join(recorded)}")

"""The subject of a page: its head, and how to run its sweep again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from analysis.document import file_name
from analysis.page.explorer import Explorer
from analysis.records import COMPLETE, Records


@dataclass(frozen=True)
class Definition:
    """A sweep file that runs what was run, with every override in it.

    Attributes:
        file: Its name.
        typed: The command that was typed or, if it was not recorded, one that runs the file.
        text: Its content; "" if it was not recorded.
    """

    file: str
    typed: str
    text: str

    @property
    def command(self) -> str:
        """The command that runs the file."""
        return f"dropattack run {self.file}"


@dataclass(frozen=True)
class Subject:
    """The parts of a page around its sections.

    Attributes:
        kicker: What kind of page it is.
        name: Its heading.
        summary: The summary in the sweep's file; "" if there is none.
        facts: Counts for the head, by name.
        workloads: How many workloads it is about.
        definitions: The sweep files that run it again.
        versions: Versions of the libraries with which it ran, by name.
        closing: The last remark.
        explorer: All trials; ``None`` if the page has no table of them.
    """

    kicker: str
    name: str
    summary: str
    facts: Sequence[tuple[str, str]]
    workloads: int
    definitions: Sequence[Definition]
    versions: Mapping[str, str]
    closing: str
    explorer: Explorer | None = None

    @classmethod
    def of(cls, records: Records) -> "Subject":
        """The page of one sweep."""
        trials = records.trials
        counts = {
            "trials": len(trials),
            "trainings": trials["key"].nunique(),
            "complete": int((trials["state"] == COMPLETE).sum()),
            "failed": int((trials["state"] == "failed").sum()),
            "workloads": trials["workload"].nunique(),
            "seeds": trials["seed"].nunique(),
        }
        facts = [(name.removesuffix("s" * (n == 1)), f"{n:,}") for name, n in counts.items()]
        closing = (
            f"Selection used {records.selected.name} only. Intervals are 95 % Student's t over seeds; "
            "comparisons are paired by seed."
        )
        return cls(
            "DropAttack sweep",
            records.name,
            str(records.sweep.get("summary") or ""),
            facts,
            trials["workload"].nunique(),
            [_definition(records)],
            records.versions,
            closing,
            Explorer(records),
        )

    @classmethod
    def of_several(cls, several: Sequence[Records]) -> "Subject":
        """The page of several sweeps beside each other."""
        workloads = {workload for records in several for workload in records.trials["workload"]}
        facts = [(records.name, f"{len(records.trials):,} trials") for records in several]
        return cls(
            f"{len(several)} DropAttack sweeps",
            ", ".join(records.name for records in several),
            "",
            facts,
            len(workloads),
            [_definition(records) for records in several],
            {},
            "Intervals are 95 % Student's t over seeds; comparisons are paired by seed.",
        )


def _definition(records: Records) -> Definition:
    file = f"{file_name(records.name)}.yaml"
    if "stages" not in records.sweep:
        return Definition(file, records.command, "")
    text = yaml.safe_dump(
        dict(records.sweep), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
    return Definition(file, records.command or f"dropattack run {file}", str(text))

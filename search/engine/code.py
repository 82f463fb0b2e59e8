"""Compares the code with which a sweep trains now with that of its records."""

from collections import Counter
from collections.abc import Iterable

from search.definition.sweep import Sweep
from search.records.code import TRAINED_BY, SweepCode, expected
from search.records.record import Record
from trainables.code.standing import differs, is_absent
from trainables.usercode import changed, files_of, user_code


def sweep_code(sweep: Sweep) -> SweepCode:
    """The code of every workload and method of a sweep as it is now.

    Raises:
        UsageError: The source of one of them does not determine what it computes.
    """
    methods = {"standard", *(method for stage in sweep.stages for method in stage.methods)}
    return {
        workload: {method: user_code(workload, method) for method in sorted(methods)}
        for workload in sweep.workloads
    }


def remarks_on_code(apart: Iterable[Record], code: SweepCode, last: SweepCode) -> list[str]:
    """Lines, before something trains, on which modules differ from those that trained the records.

    Example: ``mine.py differs from what 6 records were trained with; they stay under the old code``.

    Args:
        apart: The records of other code.
        code: The code as it is now.
        last: The code that the sweep last ran with. If it is this one, that run has said how it differs.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    unknown = 0
    for record in apart:
        now = expected(code, record.trial) or {}
        if not record.trial.code:
            unknown += 1
        elif code != last:
            counts[tuple(map(_file, changed(record.trial.code, now)))] += 1
    remarks = [
        f"{' and '.join(files)} {'differs' if len(files) == 1 else 'differ'} from what {_records(count)} "
        f"trained with; {'it stays' if count == 1 else 'they stay'} under the old code"
        for files, count in sorted(counts.items())
    ]
    if unknown:
        remarks.append(f"{_records(unknown)} recorded before records held their code, and stay apart")
    return remarks


def remarks_on_changes(noted: SweepCode, sweep: Sweep, ran_here: bool) -> list[str]:
    """Lines on which modules differ now from those with which a sweep last ran.

    It imports nothing. On another machine missing code is no change: people read results there too.

    Example: ``mine.py has changed since small last ran; what is recorded is of the code before, and another
    run trains again what the change touches``.

    Args:
        noted: The code with which it last ran.
        sweep: The sweep as it was last run.
        ran_here: Whether this machine ran it, and so has the code.
    """
    known: dict[str, str] = {}
    for methods in noted.values():
        for modules in methods.values():
            known.update(modules)
    found = [module for module, digest in known.items() if module != TRAINED_BY and differs(module, digest)]
    remarks = []
    if found:
        remarks.append(
            f"{_files(found)} {'has' if len(found) == 1 else 'have'} changed since {sweep.name} last ran; "
            "what is recorded is of the code before, and another run trains again what the change touches"
        )
    if absent := [module for module in known if ran_here and module != TRAINED_BY and is_absent(module)]:
        remarks.append(
            f"whether {_files(absent)} changed since {sweep.name} last ran is not known, since Python does "
            "not find the module from here; put its folder on PYTHONPATH"
        )
    return remarks


def _records(count: int) -> str:
    return "1 record was" if count == 1 else f"{count:,} records were"


def _files(modules: Iterable[str]) -> str:
    return " and ".join(map(_file, sorted(modules)))


def _file(module: str) -> str:
    """The name of a module for people: its file."""
    if module == TRAINED_BY:
        return "what trains"
    return files_of([module])

"""optuna-dashboard on the journal of a sweep, which it shows and does not change.

    python dashboard.py JOURNAL OBJECTIVE PORT

The dashboard offers to delete studies and to annotate trials. A journal is the record of a sweep: nothing
here writes to it.
"""

import sys
from collections.abc import Iterable
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from typing_extensions import override

_NAMES = "study:metric_names"
"""Where a study says what its objective is called, as after `optuna.Study.set_metric_names`."""


class _OnlyRead(JournalFileBackend):
    """A journal to which nothing can be added."""

    @override
    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Refuses.

        Raises:
            PermissionError: Always.
        """
        raise PermissionError("a sweep's journal is shown here, and not changed")


class ShownJournal(JournalStorage):
    """The journal of a sweep, for reading.

    Args:
        path: The journal file.
        objectives: The metrics by which its trials are compared, with commas between several.
    """

    def __init__(self, path: str, objectives: str) -> None:
        super().__init__(_OnlyRead(path))
        self._objectives = objectives.split(",")

    @override
    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """What a study holds beside its trials, the names of its objectives included."""
        return {_NAMES: self._objectives, **super().get_study_system_attrs(study_id)}

    @override
    def get_all_studies(self) -> list[Any]:
        """All studies, each with the names of its objectives."""
        studies = super().get_all_studies()
        for study in studies:
            study.system_attrs = {_NAMES: self._objectives, **study.system_attrs}
        return studies


def main(arguments: Iterable[str]) -> None:
    """Serves optuna-dashboard until it is interrupted."""
    from optuna_dashboard import run_server

    path, objectives, port = arguments
    run_server(ShownJournal(path, objectives), "127.0.0.1", int(port))


if __name__ == "__main__":
    main(sys.argv[1:])

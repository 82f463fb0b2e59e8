"""Writes files of runs in MLflow to the place that MLflow names now.

MLflow's client keeps each run's place as long as a process lasts; a store may move meanwhile.
"""

import tempfile
from pathlib import Path

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri


class RunFiles:
    """The files of one run.

    Args:
        location: Where they are, as MLflow's run says.
        uri: Tracking URI.
    """

    def __init__(self, location: str, uri: str) -> None:
        place = add_databricks_profile_info_to_artifact_uri(location, uri)
        self._repository = get_artifact_repository(place, tracking_uri=uri)

    def put(self, file: Path, folder: str = "") -> None:
        """Writes a file among them, or what a folder holds, over what is of that name."""
        if file.is_dir():
            self._repository.log_artifacts(str(file), folder or None)
            return
        self._repository.log_artifact(str(file), folder or None)

    def put_text(self, name: str, text: str) -> None:
        """Writes a file with that text among them."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.write_text(text, encoding="utf-8")
            self.put(file)

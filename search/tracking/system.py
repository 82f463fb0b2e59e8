"""What the machine of a sweep's driver does meanwhile, as MLflow's own monitor logs it on the sweep's run."""

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

_LAST_SECONDS = 5.0
"""Seconds that an end waits for measurements that are not logged yet."""


class SystemMetrics:
    """Watches processors, memory, disk, network and GPUs for one run of MLflow at a time.

    It has a thread of its own, which ends by itself if MLflow does not answer. Only `stop` waits for it, for
    a few seconds.

    Args:
        uri: Tracking URI.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._monitor: SystemMetricsMonitor | None = None

    def watch(self, run: str) -> None:
        """Logs on a run from now on, after the steps that it has, and on no other."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        self._leave()
        self._monitor = SystemMetricsMonitor(run, resume_logging=True, tracking_uri=self._uri)
        self._monitor.start()

    def stop(self) -> None:
        """Stops logging."""
        self._leave().join(_LAST_SECONDS)

    def _leave(self) -> threading.Thread:
        monitor, self._monitor = self._monitor, None
        leaving = threading.Thread(
            target=lambda: monitor and monitor.finish(), name="system-metrics-end", daemon=True
        )
        leaving.start()
        return leaving

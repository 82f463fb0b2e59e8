"""What people do to the runs and the experiment of a finished sweep in MLflow."""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, Run, RunTag

from tests.search.tracking.simulated import shown_by

NAME = "tampered"


class Tamperer:
    """Someone who works in MLflow's interface, or with its API."""

    def __init__(self, folder: Path) -> None:
        self.client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        self.store = self.client._tracking_client.store
        found = self.client.get_experiment_by_name(NAME)
        assert found is not None
        self.experiment: Experiment = found
        runs = shown_by(f"sqlite:///{folder}/mlflow.db", NAME)
        self.trials = [r for r in runs if r.data.tags["dropattack.kind"] == "trial"]
        self.means = [r for r in runs if r.data.tags["dropattack.kind"] == "configuration"]
        (self.parent,) = (r for r in runs if r.data.tags["dropattack.kind"] == "sweep")
        self.trial, self.other = self.trials[:2]

    def delete_trials(self) -> None:
        for run in self.trials[:3]:
            self.client.delete_run(run.info.run_id)

    def delete_all_runs(self) -> None:
        for run in [*self.trials, *self.means, self.parent]:
            self.client.delete_run(run.info.run_id)

    def delete_trials_for_good(self) -> None:
        for run in self.trials[:3]:
            self.client.delete_run(run.info.run_id)
            self.store._hard_delete_run(run.info.run_id)

    def delete_parent(self) -> None:
        self.client.delete_run(self.parent.info.run_id)

    def delete_parent_for_good(self) -> None:
        self.delete_parent()
        self.store._hard_delete_run(self.parent.info.run_id)

    def delete_experiment(self) -> None:
        self.client.delete_experiment(self.experiment.experiment_id)

    def delete_experiment_for_good(self) -> None:
        self.delete_experiment()
        for run in [*self.trials, *self.means, self.parent]:
            self.store._hard_delete_run(run.info.run_id)
        self.store._hard_delete_experiment(self.experiment.experiment_id)

    def remove_experiment_tags(self) -> None:
        for tag in self.experiment.tags:
            self.store.delete_experiment_tag(self.experiment.experiment_id, tag)

    def remove_keys(self) -> None:
        for run in self.trials:
            self.client.delete_tag(run.info.run_id, "dropattack.key")

    def edit_key(self) -> None:
        self.client.set_tag(self.trial.info.run_id, "dropattack.key", "mine")

    def swap_keys(self) -> None:
        for run, other in ((self.trial, self.other), (self.other, self.trial)):
            self.client.set_tag(run.info.run_id, "dropattack.key", other.data.tags["dropattack.key"])

    def give_another_key(self) -> None:
        self.client.set_tag(self.trial.info.run_id, "dropattack.key", self.other.data.tags["dropattack.key"])

    def remove_tags_of_trial(self) -> None:
        for tag in self.trial.data.tags:
            if tag.startswith("dropattack.") and tag != "dropattack.kind":
                self.client.delete_tag(self.trial.info.run_id, tag)

    def remove_each_one_tag(self) -> None:
        """Of every trial another one."""
        own = [tag for tag in self.trial.data.tags if tag.startswith(("dropattack.", "mlflow.parent"))]
        for tag, run in zip(own, [*self.trials, *self.trials], strict=False):
            self.client.delete_tag(run.info.run_id, tag)

    def edit_tags(self) -> None:
        for run in self.trials:
            for tag in ("state", "configuration_id", "stage", "method", "workload", "trial", "reason"):
                self.client.set_tag(run.info.run_id, f"dropattack.{tag}", "mine")
            self.client.set_tag(run.info.run_id, "mlflow.parentRunId", "mine")

    def remove_parents_tags(self) -> None:
        for tag in self.parent.data.tags:
            if tag.startswith("dropattack."):
                self.client.delete_tag(self.parent.info.run_id, tag)

    def change_status(self) -> None:
        for run, status in zip(self.trials, ("RUNNING", "FAILED", "SCHEDULED", "KILLED"), strict=False):
            self.client.set_terminated(run.info.run_id, status, 1)
        self.client.update_run(self.parent.info.run_id, status="RUNNING")

    def change_metrics(self) -> None:
        """The last epoch's, the selected value, and an epoch that was never trained."""
        at = 4_000_000_000_000
        self.client.log_metric(self.trials[0].info.run_id, "valid_accuracy", 0.999, at, 3)
        self.client.log_metric(self.trials[1].info.run_id, "best/valid_accuracy", 0.999, at - at // 2, 0)
        self.client.log_metric(self.trials[2].info.run_id, "best/valid_accuracy", 0.999, at, 70)
        self.client.log_metric(self.trials[3].info.run_id, "valid_accuracy", 0.999, at, 70)
        self.client.log_metric(self.trials[4].info.run_id, "best/valid_accuracy", 0.999, at, 0)

    def copy_runs(self) -> None:
        for run in self.trials[:2]:
            self._copy(run)

    def copy_and_delete(self) -> None:
        """The first one goes, and an incomplete copy stays."""
        copy = self._copy(self.trial, metrics=False)
        self.client.delete_run(self.trial.info.run_id)
        self.client.set_terminated(copy, "RUNNING")

    def copy_with_other_params(self) -> None:
        self._copy(self.trial, seed="77")
        self.client.delete_run(self.trial.info.run_id)

    def delete_configurations(self) -> None:
        for run in self.means[:2]:
            self.client.delete_run(run.info.run_id)

    def delete_configurations_for_good(self) -> None:
        for run in self.means:
            self.client.delete_run(run.info.run_id)
            self.store._hard_delete_run(run.info.run_id)

    def make_it_of_an_earlier_version(self) -> None:
        """Trials stood right under the sweep, and had another name for what they are judged by."""
        self.delete_configurations_for_good()
        for run in self.trials:
            self.client.set_tag(run.info.run_id, "mlflow.parentRunId", self.parent.info.run_id)
            self.client.delete_tag(run.info.run_id, "dropattack.epochs")
            self.client.log_metric(run.info.run_id, "value", run.data.metrics["best/valid_accuracy"])

    def remove_tags_of_configurations(self) -> None:
        for run in self.means:
            for tag in run.data.tags:
                if tag.startswith("dropattack."):
                    self.client.delete_tag(run.info.run_id, tag)

    def edit_tags_of_configurations(self) -> None:
        for run in self.means:
            for tag in ("dropattack.trials", "dropattack.sweep", "mlflow.parentRunId"):
                self.client.set_tag(run.info.run_id, tag, "mine")

    def swap_configurations(self) -> None:
        tag = "dropattack.configuration_id"
        for run, other in zip(self.means, [*self.means[1:], self.means[0]], strict=True):
            self.client.set_tag(run.info.run_id, tag, other.data.tags[tag])

    def change_means(self) -> None:
        """A later value, one at a later step, one that no trial has."""
        at = 4_000_000_000_000
        self.client.log_metric(self.means[0].info.run_id, "best/valid_accuracy", 0.999, at // 2, 0)
        self.client.log_metric(self.means[1].info.run_id, "best/valid_accuracy", 0.999, at, 70)
        self.client.log_metric(self.means[2].info.run_id, "best/odd", 0.999, at, 0)

    def change_status_of_configurations(self) -> None:
        for run, status in zip(self.means, ("RUNNING", "FAILED", "SCHEDULED"), strict=False):
            self.client.set_terminated(run.info.run_id, status, 1)

    def copy_configurations(self) -> None:
        for run in self.means[:2]:
            self._copy(run)

    def copy_configuration_with_other_params(self) -> None:
        self._copy(self.means[0], epsilon="77")
        self.client.delete_run(self.means[0].info.run_id)

    def copy_parent(self) -> None:
        self._copy(self.parent)

    def _copy(self, run: Run, metrics: bool = True, **params: str) -> str:
        new = self.client.create_run(self.experiment.experiment_id, tags=dict(run.data.tags))
        values = [Metric(name, value, 1, 3) for name, value in run.data.metrics.items()] if metrics else []
        told = [Param(name, value) for name, value in (run.data.params | params).items()]
        self.client.log_batch(new.info.run_id, values, told, [RunTag("note", "a copy")])
        self.client.set_terminated(new.info.run_id)
        return str(new.info.run_id)

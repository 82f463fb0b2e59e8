"""What a sweep recommends, and its baseline, are found in MLflow's registry, and load by one call."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from rich.console import Console

from dropattack import UsageError
from search.records.store import Store
from search.results.registering import register
from search.service import run_sweep
from tests.search import trained
from trainables.saved import load_model
from trainables.workloads import workload_named


@pytest.mark.heavy
def test_registered_models_give_what_load_model_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under aliases that move on; the same call again makes new versions."""
    monkeypatch.chdir(tmp_path)
    store, definition = Store(tmp_path / "runs"), trained.sweep()
    engine = trained.run(definition, store)
    run_sweep(definition, store, tmp_path, Console(quiet=True))
    for times in (1, 2):
        lines = register(store, definition.name, tmp_path, "", "digits")
        assert [line.partition(" ")[0] for line in lines] == [
            "models:/digits@winner",
            "models:/digits@baseline",
        ]
        assert len(MlflowClient(store.tracking_uri).search_model_versions("name = 'digits'")) == 2 * times
    client = MlflowClient(store.tracking_uri, registry_uri=store.tracking_uri)
    inputs, _ = next(iter(workload_named("digits-lenet5").load(tmp_path).test.batches(5)))
    for alias in ("winner", "baseline"):
        version = client.get_model_version_by_alias("digits", alias)
        (record,) = (r for r in engine.records if r.name in version.description.splitlines()[0])
        assert record.trial.method == "standard", "plain training is recommended here"
        found = mlflow.pyfunc.load_model(version.source)
        with torch.no_grad():
            expected = load_model(store.model(definition.name, record)).model(inputs).numpy()
        np.testing.assert_allclose(found.predict(inputs.numpy()), expected, rtol=1e-5, atol=1e-6)


def test_a_sweep_without_a_winner_or_that_mlflow_does_not_show_is_refused(tmp_path: Path) -> None:
    store, definition = Store(tmp_path / "runs"), trained.sweep()
    store.define(definition)
    store.note_code(definition.name, {})
    store.journal(definition, writable=True)
    with pytest.raises(UsageError, match="recommends nothing yet"):
        register(store, definition.name, tmp_path, "", "digits")
    trained.run(definition, store)
    with pytest.raises(UsageError, match=r"does not show standard seed=. with its model; `dropattack run"):
        register(store, definition.name, tmp_path, "", "digits")
    for model in store.folder(definition.name).glob("models/*.pt"):
        model.unlink()
    with pytest.raises(UsageError, match=r"the model of standard seed=. is not here; copy .*\.pt from where"):
        register(store, definition.name, tmp_path, "", "digits")

"""The bundled sweeps that rank layers ask for what they say."""

from search.definition.sweepfile import load_sweep
from search.engine.proposers import Scope, grid_trials
from trainables.trial import Trial


def _stages(name: str) -> dict[str, list[Trial]]:
    sweep = load_sweep(name)
    (workload,) = sweep.stage_workloads(sweep.stages[0])
    return {
        stage.name: list(grid_trials(Scope(sweep, stage, workload, lambda workload, options: workload)))
        for stage in sweep.stages
    }


def test_layers_are_compared_at_one_relative_size() -> None:
    """The same target sets at both scales; what digits-layers has trained is not trained again."""
    stages = _stages("digits-relative")
    assert {name: len(trials) for name, trials in stages.items()} == {
        "baseline": 10,
        "relative": 70,
        "absolute": 70,
        "passes": 20,
    }
    asked = {
        name: {(t.hyperparameters["targets"], t.seed) for t in stages[name]}
        for name in ("relative", "absolute")
    }
    assert asked["relative"] == asked["absolute"]
    for name in asked:
        assert {t.hyperparameters["epsilon_scale"] for t in stages[name]} == {name}
        assert len({t.hyperparameters["epsilon"] for t in stages[name]}) == 1
    keys = {name: {t.key for t in trials} for name, trials in stages.items()}
    assert len(set().union(*keys.values())) == 170
    trained = {name: {t.key for t in trials} for name, trials in _stages("digits-layers").items()}
    assert keys["baseline"] == trained["baseline"]
    assert keys["absolute"] == trained["targets"]
    passes = {t.passes for t in (*stages["relative"], *stages["absolute"])}
    assert passes == {t.passes for t in stages["passes"]} == {2, 3}, "plain training of every cost"

"""Where things lie in a store."""

from pathlib import Path

from search.records.record import State
from search.records.store import Store
from tests.search.simulation import Driver, engine, sweep
from trainables.disk import model_path


def test_the_model_of_a_reused_trial_is_where_it_was_trained(tmp_path: Path) -> None:
    grid = [{"name": "grid", "methods": {"standard": {}}}]
    store = Store(tmp_path)
    first, second = sweep(name="first", stages=grid), sweep(name="second", stages=grid)
    for definition in (first, second):
        store.folder(definition.name).mkdir(parents=True)
        elsewhere = store.complete_elsewhere(definition).records
        Driver(engine(store.folder(definition.name), definition, elsewhere=elsewhere)).run()
        store.define(definition)
    trained, reused = store.complete("first")[0], store.complete("second")[0]
    assert (reused.state, reused.reused_from) == (State.COMPLETE, "first/grid")
    expected = model_path(store.folder("first"), trained.key)
    assert store.model("first", trained) == store.model("second", reused) == expected

"""Values of a wrong kind: each is told by its line and place, with what to write instead."""

from pathlib import Path

import pytest

from dropattack import UsageError
from search.definition.sweepfile import load_sweep
from tests.search.definition.slips import GOOD, changed, refusal

FOREIGN = (
    "Input should",
    "valid integer",
    "valid string",
    "valid number",
    "valid boolean",
    "dictionary",
    "discriminator",
)
"""Words of pydantic's."""


@pytest.mark.parametrize(
    ("right", "wrong", "line", "told"),
    [
        ("name: tiny", "name: 3", 1, 'name: must be text; write "3", with quotes'),
        ("name: tiny", "name: yes", 1, 'name: must be text; write "true", with quotes'),
        ("name: tiny", "name: [a]", 1, "name: must be one text, not a list"),
        ("name: tiny", "name:", 1, "name: is empty; write a value"),
        ("workload: digits-lenet5", "workload:", 2, "workload: is empty; write a value"),
        (
            "workload: digits-lenet5",
            "workloads: digits-lenet5",
            2,
            "workloads: must be a list; write [digits",
        ),
        ("workload: digits-lenet5", "workloads: [3]", 2, "workloads, entry 1: must be text"),
        ("epochs: 2", "epochs:2", 3, "training: 'epochs:2' lacks a space after its colon; write epochs: 2"),
        ("epochs: 2", "epochs:", 3, "training.epochs: is empty"),
        (
            "epochs: 2",
            "epochs: [[1]]",
            3,
            "training.epochs, entry 1: must be a number, a text",
        ),
        ("epochs: 2", "epochs: {low: '1', high: 2}", 3, "training.epochs.low: must be a number, not '1'"),
        (
            "epochs: 2",
            "epochs: {low: 1, high: 2, log: maybe}",
            3,
            "training.epochs.log: must be true or",
        ),
        (
            "{epochs: 2, train_size: 200}",
            "[epochs, 2]",
            3,
            "training: must be a mapping of names to",
        ),
        ("seeds: [0]", "seeds: 3", 4, "seeds: must be a list of whole numbers, such as [0, 1]"),
        ("seeds: [0]", "seeds: [0, a]", 4, "seeds, entry 2: must be a whole number, not 'a'"),
        ("seeds: [0]", "seeds:\n- 0\n- 0.5", 6, "seeds, entry 2: must be a whole number, not 0.5"),
        ("seeds: [0]", "seedz: [0]", 4, "top level: unknown key 'seedz'; did you mean 'seeds'"),
        ("seeds: [0]", "3: [0]", 4, "3: 3 is no name"),
        (
            "  - name: baseline\n    search: grid\n    methods: {standard: {}}",
            "  - baseline",
            6,
            "stages, entry 1: ",
        ),
        ("search: grid", "search: 3", 7, "stages.baseline.search: must be grid, or a mapping such as {kind"),
        ("search: grid", "serch: grid", 7, "stages.baseline: unknown key 'serch'; did you mean 'search'"),
        ("methods: {standard: {}}", "methods: [standard]", 8, "must be a mapping of methods to their spaces"),
        (
            "methods: {standard: {}}",
            "methods: {standard: 3}",
            8,
            "methods.standard: must be a mapping",
        ),
        ("{kind: optuna, trials: 4}", "{trials: 4}", 10, "stages.search.search: its kind is missing"),
        ("trials: 4", "trials: four", 10, "stages.search.search.trials: must be a whole number, not 'four'"),
        ("trials: 4", "trials: 0", 10, "stages.search.search.trials: must be at least 1, not 0"),
        ("trials: 4", "trials: 4, sampler: [tpe]", 10, "sampler: must be a sampler's name such as tpe"),
        ("trials: 4", "trials: 4, race: maybe", 10, "race: must be true or false, not 'maybe'"),
        ("trials: 4", "trials: 4, warm_start: demo", 10, "warm_start: must be a list; write [demo]"),
        (
            "epsilon: [0.1, 5]",
            "epsilon: 0,1",
            12,
            "1 is no name; write decimals as 0.1, and",
        ),
        ("epsilon: [0.1, 5]", "epsilon: [0.1, null]", 12, "dropattack.epsilon, entry 2: is empty"),
        (
            "{metric: accuracy}",
            "accuracy",
            13,
            "select: must be a mapping, such as {metric: accuracy}, not",
        ),
        ("{metric: accuracy}", "{metric: 3}", 13, "select.metric: must be text"),
        (
            "{metric: accuracy}",
            "{metric: loss, mode: least}",
            13,
            "select.mode: unknown value 'least'; valid: max",
        ),
        ("cpus: 1", "cpus: many", 14, "resources.cpus: must be a number, not 'many'"),
        ("cpus: 1", "cpus: 0", 14, "resources.cpus: must be greater than 0, not 0"),
        ("cpus: 1", "gpus: all", 14, "resources.gpus: must be a number, or auto, not 'all'"),
        ("cpus: 1", "checkpoint_every: 10", 14, "checkpoint_every: must be a length of time, such as 10min"),
        ("{cpus: 1}", "4", 14, "resources: must be a mapping of names to values, not 4"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_by_its_line(
    tmp_path: Path, right: str, wrong: str, line: int, told: str
) -> None:
    path = tmp_path / "mine.yaml"
    said = refusal(load_sweep, path, changed(right, wrong))
    assert said.startswith(f"{path}, line {line}: ")
    assert told in said
    assert "\n" not in said
    assert not any(word in said for word in FOREIGN)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a sweep file is a mapping of keys to values, and it is empty; write name, workload and stages"),
        ("- a\n", "a sweep file is a mapping of keys to values, and this is none"),
        ("name: a\nworkload: [a]\nstages: []\n", "workload names one; write workloads for several"),
        ("name: a\nworkload: a\nworkloads: [a]\n", "it has workload and workloads; keep one of the two"),
        ("name: a\nstages: []\n", "workload: is missing"),
    ],
)
def test_what_stands_in_no_line_has_none(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.yaml"
    assert refusal(load_sweep, path, text).startswith(f"{path}: {told}")


def test_what_was_set_stands_in_no_line_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD, encoding="utf-8")
    for key, value in (("seeds", 3), ("training.epochs", None), ("resources", 4), ("limits.hours", "ten")):
        with pytest.raises(UsageError, match=rf"^--set {key}: {key}: "):
            load_sweep(str(path), {key: value})

"""A mistake is told of who made it: the file, its scale, or what a run set."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dropattack import UsageError
from search.definition.sweepfile import load_sweep

FILE: dict[str, Any] = {
    "name": "mine",
    "workload": "digits-lenet5",
    "scales": {"tiny": {"seeds": [0], "trainig.epochs": 2}},
    "stages": [{"name": "s", "search": {"kind": "random", "trials": 4}, "methods": {"dropattack": {}}}],
}
SEARCH = "stages.s.search"


def refused(folder: Path, overrides: dict[str, Any], scale: str = "", **changes: Any) -> str:
    path = folder / "c.yaml"
    path.write_text(yaml.safe_dump(FILE | changes, sort_keys=False), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_sweep(str(path), overrides, scale)
    return str(caught.value).replace(f"{folder}/", "")


NEAR = f"{SEARCH}: unknown key 'trails'; did you mean 'trials'?"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({f"{SEARCH}.trails": 4}, f"--set {SEARCH}.trails: {NEAR}"),
        ({f"{SEARCH}.trials": 0}, f"--set {SEARCH}.trials: {SEARCH}.trials: "),
        ({"seeds": [1], "training.epochz": 3}, "--set training.epochz: top level: unknown training option"),
        ({"notify.url": "ftp://ann:T0K3N@h"}, "--set notify.url: "),
    ],
)
def test_what_is_set_wrong_is_not_told_of_the_file(
    tmp_path: Path, overrides: dict[str, Any], told: str
) -> None:
    said = refused(tmp_path, overrides)
    assert said.startswith(told)
    assert "c.yaml" not in said
    assert "T0K3N" not in said


def test_a_mistake_of_the_file_is_told_of_the_file_whatever_is_set(tmp_path: Path) -> None:
    said = refused(tmp_path, {"seeds": [1]}, workload="digits-lenet")
    assert said.startswith("c.yaml: unknown workload 'digits-lenet'")
    assert refused(tmp_path, {"seeds": [1]}, sedes=[1]).startswith("c.yaml, line ")


def test_a_mistake_of_a_scale_is_told_of_the_scale(tmp_path: Path) -> None:
    said = refused(tmp_path, {"seeds": [1]}, "tiny")
    assert said.startswith("c.yaml, scale tiny: top level: unknown key 'trainig'")

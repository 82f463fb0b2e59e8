"""Examples in several splits, counted by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from torch import nn

from search.definition.sweepfile import parse_sweep
from search.engine.repetitions import remarks_on_repetitions
from trainables import Dataset, ImageFolder, Table, Workload
from trainables.workloads import _WORKLOADS as REGISTERED
from trainables.workloads import register_workload


def table(root: Path, again: int) -> Dataset:
    """Twelve rows, and some of them once more in the test split."""
    rows = [f"{i},{i % 2},{('train', 'train', 'valid')[i % 3]}" for i in range(12)]
    rows += [f"{i},{i % 2},test" for i in range(100, 104)] + [
        f"{3 * i},{3 * i % 2},test" for i in range(again)
    ]
    (root / "t.csv").write_text("\n".join(["x,y,part", *rows]), encoding="utf-8")
    return Table("t.csv", label="y", split="part")


def images(root: Path, again: int) -> Dataset:
    """Pictures of different greys, and some of them once more, under other names, in the test split."""
    splits = {"train": range(8), "valid": range(8, 12), "test": [*range(12, 16), *range(again)]}
    for split, greys in splits.items():
        for place, grey in enumerate(greys):
            folder = root / "pictures" / split / "ab"[grey % 2]
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("L", (3, 3), 10 * grey).save(folder / f"{place}.png")
    return ImageFolder("pictures", 2, channels=1)


@pytest.mark.parametrize("kind", [table, images])
@pytest.mark.parametrize("again", [0, 3])
def test_what_stands_in_training_and_in_the_test_is_counted(
    kind: Callable[[Path, int], Dataset], again: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPATTACK_DATA", str(tmp_path))
    register_workload(
        Workload("twice", dataset=kind(tmp_path, again), model=lambda data: nn.Linear(4, data.classes))
    )
    try:
        raw: dict[str, Any] = {
            "name": "t",
            "workload": "twice",
            "stages": [{"name": "s", "methods": {"standard": {}}}],
        }
        found = remarks_on_repetitions(parse_sweep(raw), tmp_path)
    finally:
        del REGISTERED["twice"]
    said = (
        f"twice: {again} of {4 + again} test examples stand in the training split too; "
        "leave repetitions out, or name the splits yourself"
    )
    assert found == ([said] if again else [])

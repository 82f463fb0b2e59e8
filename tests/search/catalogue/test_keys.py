"""The page of all keys says what the schema declares."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, Field

from dropattack.catalogue import renewed
from search.catalogue import keys
from search.definition.sweep import Sweep
from search.definition.sweepfile import parse_sweep

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "keys.md"
SCHEMA = Sweep.model_json_schema()
"""As pydantic reads the same classes."""
PARTS = {"Sweep": SCHEMA, **SCHEMA["$defs"]}
BY_NAME = {model.__name__: model for model in keys.SECTIONS}


def test_the_page_has_every_key_as_the_code_declares_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert renewed(page, keys.reference) == page, (
        "run: python -m search.catalogue.keys docs/reference/keys.md"
    )


def test_the_page_has_every_part_of_the_schema_and_no_other() -> None:
    assert set(BY_NAME) == set(PARTS)


@pytest.mark.parametrize("name", PARTS)
def test_every_key_of_the_schema_has_a_row_with_its_default_and_a_meaning(name: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \| (.*) \|$", keys.table(BY_NAME[name]), re.MULTILINE)
    assert [key for key, *_ in rows] == list(PARTS[name]["properties"])
    needed = {key for key, _, default, _ in rows if default == "required"}
    assert needed == set(PARTS[name].get("required", []))
    for key, kind, default, meaning in rows:
        said = PARTS[name]["properties"][key].get("default")
        if isinstance(said, bool | int | float) or (isinstance(said, str) and said):
            assert yaml.safe_load(default.strip("`")) == said, key
        assert kind, key
        assert meaning.endswith("."), key


@pytest.mark.parametrize("model", keys.SECTIONS, ids=lambda model: model.__name__)
def test_docstrings_name_no_key_that_is_gone(model: type[BaseModel]) -> None:
    assert set(keys.documented(model)) == set(model.model_fields)


class Example(BaseModel):
    """A part.

    Attributes:
        first: One line
            and another.
        second: Its ``own``.

    Raises:
        ValueError: Never.
    """

    first: float = Field(default=0.5, gt=0, le=1)
    second: dict[str, tuple[int, ...]] | None = None


def test_a_part_is_read_from_its_docstring_and_its_types() -> None:
    assert keys.table(Example).splitlines()[2:] == [
        "| `first` | number > 0 and ≤ 1 | `0.5` | One line and another. |",
        "| `second` | mapping: list: whole number | – | Its `own`. |",
    ]


def within(written: str) -> dict[str, Any]:
    """A sweep that has what a row of the page shows, wherever that belongs."""
    given = yaml.safe_load(written)
    sweep: dict[str, Any] = {"name": "mine", "workload": "mnist-lenet5"}
    stage: dict[str, Any] = {"name": "all", "methods": {"dropattack": {}}}
    (key,) = given
    if key in ("workload", "workloads"):
        sweep = {"name": "mine"} | given
    elif key == "metrics":
        sweep |= {"select": given | {"weights": {"accuracy": 1, "passes": 0}}}
    elif key in ("sampler", "enqueue"):
        stage |= {"search": {"kind": "optuna", "trials": 3} | given}
    else:
        stage |= given
    return sweep | {"stages": [stage]}


SHORT = re.findall(r"^\| `([^`]*)` \| `([^`]*)`[^|`]* \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("short", "long"), [row for row in SHORT if ": " in row[1]])
def test_a_short_form_stands_for_what_the_page_says(short: str, long: str) -> None:
    assert parse_sweep(within(short)) == parse_sweep(within(long))


def test_the_short_forms_of_the_page_were_found() -> None:
    assert sum(": " in long for _, long in SHORT) >= 7

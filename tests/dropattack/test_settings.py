from dataclasses import dataclass

import pytest

from dropattack import Settings, UsageError, setting


@dataclass(frozen=True, kw_only=True)
class Example(Settings):
    presets = {"bold": {"size": 9.0}}  # noqa: RUF012 - as a method declares it

    size: float = setting(1.0, "Size.", low=0, high=10)
    count: int = setting(2, "Count.", low=1)
    word: str = setting("a", "Word.", choices=("a", "b"))
    flag: bool = setting(False, "Flag.")


def test_values_take_the_type_of_the_default():
    settings = Example.from_dict({"size": 3, "count": 4.0})
    assert settings.to_dict() == {"size": 3.0, "count": 4, "word": "a", "flag": False}
    assert isinstance(settings.size, float)
    assert isinstance(settings.count, int)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 11}, "size must be 0 to 10, not 11"),
        ({"size": float("nan")}, "size must be finite"),
        ({"size": True}, "size must be a number"),
        ({"size": "1"}, "size must be a number"),
        ({"count": 0}, "count must be ≥ 1"),
        ({"count": 1.5}, "count must be a whole number"),
        ({"word": "c"}, "unknown value of word 'c'"),
        ({"flag": 1}, "flag must be true or false"),
        ({"sise": 1}, "unknown hyperparameter 'sise'; did you mean 'size'"),
        ({"preset": "bald"}, "unknown preset 'bald'; did you mean 'bold'"),
    ],
)
def test_wrong_values(values, message):
    with pytest.raises(UsageError, match=message):
        Example.from_dict(values)


def test_presets_give_way_to_values():
    assert Example.from_dict({"preset": "bold"}) == Example(size=9.0)
    assert Example.from_dict({"preset": "bold", "size": 2}) == Example(size=2.0)


@dataclass(frozen=True, kw_only=True)
class Later(Example):
    """The same after some releases: settings were added, and a default was changed."""

    size: float = setting(5.0, "Size.", low=0, high=10, frozen=1.0)
    new: bool = setting(False, "What was always done.")
    newer: float = setting(0.5, "At first 0.1, which is what was done before.", frozen=0.1)


@pytest.mark.parametrize(
    "values", [{}, {"size": 5.0}, {"size": 1.0, "word": "b"}, {"flag": True, "count": 3}]
)
def test_a_new_setting_or_default_states_what_is_computed_as_before(values):
    before = Example(**values)
    after = Later(**{"size": before.size, "newer": 0.1, **values})
    assert after.stated() == before.stated()
    assert Later(**values, new=True).stated()["new"] is True
    assert Later().stated() == {"size": 5.0, "newer": 0.5}


def test_idle_settings_return_to_their_defaults():
    assert Example(size=3, word="b", flag=True).without("word", "flag") == Example(size=3)

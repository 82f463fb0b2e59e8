"""The place of an exception in a user's own code, by files written for each case."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from dropattack.errors import first_line
from dropattack.raised import described, place

SENSOR = """
import json
from torch import nn


class Model(nn.Module):
    def forward(self, x):
        if x is None:
            raise RuntimeError("sensor broke")
        return nn.functional.linear(x, x.new_zeros(3, 99))


def read(text):
    return json.loads(text)
"""

SENSOR_MODULE, BOUGHT, UNFINISHED = "sensor", "bought_sensor", "unfinished"


@pytest.fixture
def sensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "sensor.py").write_text(SENSOR, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sensor", raising=False)
    return importlib.import_module(SENSOR_MODULE)


def test_the_line_that_raises_is_named_without_its_folder(sensor: ModuleType) -> None:
    with pytest.raises(RuntimeError) as caught:
        sensor.Model()(None)
    assert described(caught.value) == "RuntimeError: sensor broke (sensor.py:9 in forward)"


def test_of_an_error_in_a_library_the_line_that_called_it_is_named(sensor: ModuleType) -> None:
    with pytest.raises(RuntimeError) as caught:
        nn.Sequential(sensor.Model())(torch.zeros(2, 4))
    assert place(caught.value) == "sensor.py:10 in forward"
    with pytest.raises(json.JSONDecodeError) as decoding:
        sensor.read("{")
    assert place(decoding.value) == "sensor.py:14 in read"


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_the_code_of_an_installed_package_is_not_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    package = tmp_path / folder
    package.mkdir()
    (package / "bought_sensor.py").write_text(SENSOR, encoding="utf-8")
    monkeypatch.syspath_prepend(package)
    error = None
    try:
        importlib.import_module(BOUGHT).Model()(None)
    except RuntimeError as raised:
        error = raised.with_traceback(raised.__traceback__.tb_next if raised.__traceback__ else None)
    assert error is not None
    assert described(error) == "RuntimeError: sensor broke"


def test_a_syntax_error_names_its_own_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "unfinished.py").write_text("\ndef f(:\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SyntaxError) as caught:
        importlib.import_module(UNFINISHED)
    assert described(caught.value) == "SyntaxError: invalid syntax (unfinished.py, line 2)"


def test_a_line_that_only_announces_the_next_one_is_not_the_whole_message() -> None:
    with pytest.raises(RuntimeError) as caught:
        nn.Linear(2, 2).load_state_dict({"weight": torch.zeros(2, 2)})
    said = 'Error(s) in loading state_dict for Linear: Missing key(s) in state_dict: "bias". '
    assert first_line(caught.value) == said.strip()

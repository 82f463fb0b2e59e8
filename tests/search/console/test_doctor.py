"""`dropattack doctor`: what is missing is named with what to do, and what is there is not."""

import importlib.metadata
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import Result
from packaging.specifiers import SpecifierSet

from dropattack import UsageError
from search.console import doctor as module
from search.console.doctor import NOTE, OK, WRONG, Finding, package_findings, python_finding, torch_findings
from trainables.datasets.fetch import FETCHABLE, verify
from trainables.datasets.found import PLACES, datasets_below

Command = Callable[..., Result]
NMS = "RuntimeError: operator torchvision::nms does not exist"
CPU: dict[str, Any] = {
    **{"torch": "2.13.0+cpu", "error": "", "cuda": "", "gpus": [], "there": [], "torchvision": ""},
}
H100 = ["NVIDIA H100 80GB HBM3"]


def _by_name(found: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in found}


@pytest.mark.parametrize(
    ("facts", "states", "advice"),
    [
        ({}, {"torch": OK, "GPU": NOTE, "torchvision": OK}, "train on the CPU"),
        ({"torch": "", "error": "OSError: libc"}, {"torch": WRONG}, "--force-reinstall torch"),
        (
            {"torchvision": NMS},
            {"torch": OK, "GPU": NOTE, "torchvision": NOTE},
            "download.pytorch.org/whl/cpu",
        ),
        (
            {"torchvision": NMS, "cuda": "12.8", "gpus": H100},
            {"torch": OK, "GPU": OK, "torchvision": NOTE},
            "download.pytorch.org/whl/cu128",
        ),
        (
            {"torchvision": "ImportError: libjpeg.so.8"},
            {"torch": OK, "GPU": NOTE, "torchvision": WRONG},
            "--force-reinstall torchvision",
        ),
        ({"there": H100}, {"torch": OK, "GPU": NOTE, "torchvision": OK}, "built for CUDA"),
        (
            {"there": H100, "cuda": "13.0"},
            {"torch": OK, "GPU": NOTE, "torchvision": OK},
            "CUDA_VISIBLE_DEVICES",
        ),
        ({"cuda": "13.0", "gpus": H100, "there": H100}, {"torch": OK, "GPU": OK, "torchvision": OK}, ""),
    ],
)
def test_what_keeps_torch_from_a_gpu_or_torchvision_is_named(
    facts: dict[str, Any], states: dict[str, str], advice: str
) -> None:
    found = list(torch_findings(CPU | facts))
    assert {finding.name: finding.state for finding in found} == states
    assert advice in " ".join(finding.advice for finding in found)
    assert all((finding.advice == "") == (finding.state == OK) for finding in found)


def test_packages_are_held_against_what_is_required() -> None:
    installed = {"ray": "2.60.0", "optuna": "6.0.1", "numpy": "1.26.4", "torchtext": "0.6.0"}

    def version_of(name: str) -> str:
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    required = ["ray[default,tune]<3,>=2.50", "optuna<6,>=5.0", "mlflow[auth]<3.18,>=3.13", "numpy>=2.0"]
    required += ["torchtext==0.6.0", 'psycopg[binary]>=3.2; extra == "server"', "rich"]
    found = _by_name(list(package_findings(version_of, required)))
    assert {name: finding.state for name, finding in found.items()} == {
        **{"ray": OK, "optuna": WRONG, "mlflow": WRONG, "numpy": WRONG, "rich": WRONG},
    }
    assert found["mlflow"].advice == 'pip install "mlflow[auth]<3.18,>=3.13"'
    assert found["optuna"].text == "6.0.1 is installed, and <6,>=5.0 is needed"


VERSIONS = ["0.6.0", "0.6", "2.0", "2.10", "2.9", "2.13.0+cpu", "3", "3.0.1", "3.17.2", "10.0"]


@pytest.mark.parametrize("bounds", [">=2.9", ">=2.10,<3", "<3.0", "==0.6.0", "!=3", ">2,<=3.17.2", ""])
def test_versions_compare_as_packaging_compares_them(bounds: str) -> None:
    for version in VERSIONS:
        expected = SpecifierSet(bounds).contains(version, prereleases=True)
        assert module._within(version, bounds) == expected, (version, bounds)


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10), WRONG), ((3, 11), OK), ((3, 13), OK), ((2, 7), WRONG)]
)
def test_an_old_python_is_wrong(version: tuple[int, int], state: str) -> None:
    assert python_finding(version).state == state


class Usage(NamedTuple):
    free: int


@pytest.mark.parametrize(
    ("mebibytes", "state"), [(100, WRONG), (199, WRONG), (300, NOTE), (5000, NOTE), (6000, OK)]
)
def test_little_disk_is_noted_and_none_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mebibytes: int, state: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(mebibytes * 2**20))
    assert module.store_finding(tmp_path / "runs" / "deep").state == state
    assert not (tmp_path / "runs").exists()


def test_a_store_that_is_a_file_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    assert module.store_finding(tmp_path / "runs").state == WRONG


def test_every_dataset_that_can_be_fetched_has_a_place(tmp_path: Path) -> None:
    assert set(PLACES) == set(FETCHABLE) - {"digits"}
    assert not any(datasets_below(tmp_path / "nowhere").values())
    for name, places in PLACES.items():
        for number, place in enumerate(places):
            path = tmp_path / f"{name}{number}" / place.replace("*", "x")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            found = datasets_below(tmp_path / f"{name}{number}")
            assert [each for each, there in found.items() if there] == [name]


def test_what_is_found_is_what_can_be_read(data_root: Path) -> None:
    """Of small datasets; of what is not found nothing can be read."""
    found = datasets_below(data_root)
    for name, there in found.items():
        if not there:
            with pytest.raises(UsageError):
                verify(name, data_root)
    for name in ("mnist", "fashion"):
        assert found[name] == verify(name, data_root).complete


def _here(monkeypatch: pytest.MonkeyPatch, **facts: Any) -> None:
    monkeypatch.setattr(module, "_torch_facts", lambda: CPU | facts)
    monkeypatch.setattr(module, "_requirements", lambda: ["ray>=2.50", "optuna", "mlflow"])


def test_a_machine_that_has_all_has_status_0(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    _here(monkeypatch)
    said = command("doctor")
    assert said.exit_code == 0
    assert said.stdout.splitlines()[-1] == "runs have all that they need; begin with `dropattack run demo`"
    listed = json.loads(command("doctor", "--json").stdout)
    assert {each["state"] for each in listed} == {OK, NOTE}
    names = [each["name"] for each in listed]
    assert names == [
        *("Python", "ray", "optuna", "mlflow", "torch", "GPU", "torchvision"),
        "store runs",
        "data data",
    ]
    assert list(Path().iterdir()) == [], "it leaves nothing"


def test_what_is_missing_has_status_1_and_says_what_to_do(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    _here(monkeypatch, torchvision="ModuleNotFoundError: No module named 'torchvision'")
    said = command("doctor")
    assert said.exit_code == 1
    assert "\nWRONG  torchvision: cannot be imported: ModuleNotFoundError" in said.stdout
    assert command("doctor", "--json").exit_code == 1


def test_this_environment_is_looked_at_as_it_is() -> None:
    """Torch's own words, and torchvision as a fresh process finds it."""
    import torch

    facts = module._torch_facts()
    assert facts["torch"] == str(torch.__version__)
    assert (facts["gpus"] == []) == (not torch.cuda.is_available())
    assert {f.state for f in torch_findings(facts)} <= {OK, NOTE}

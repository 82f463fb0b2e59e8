"""The examples of docs/how-to/testing.md pass; a method that breaks the contract fails in words."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, files

FORGETFUL = """

@register
class Forgetful(Smoothed):
    name = "forgetful"

    def gather(self, model, batch):
        for parameter in model.parameters():
            parameter.data.add_(0.1)
        return super().gather(model, batch)
"""


@pytest.mark.heavy
def test_the_examples_pass_and_a_method_that_does_not_restore_fails_in_words(tmp_path: Path) -> None:
    shown = {name: code for page in PAGES for name, code in files(page).items()}
    shown["smoothed.py"] += FORGETFUL
    suite = shown["test_smoothed.py"].replace("TestSmoothed", "TestForgetful")
    shown["test_forgetful.py"] = suite.replace('"smoothed"', '"forgetful"')
    for name, code in shown.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    paths = os.pathsep.join(path or os.curdir for path in sys.path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "--color=no"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    failed = re.findall(r"^FAILED (\S+)::Test(\w+)::(\w+)", done.stdout, re.MULTILINE)
    assert {name for _, name, _ in failed} == {"Forgetful"}, done.stdout
    assert "test_parameters_are_restored_bit_for_bit_but_those_that_the_method_owns" in {
        t for *_, t in failed
    }
    assert (
        "E   AssertionError: after a step whose update is zero these parameters differ: "
        "fc.bias, fc.weight, norm.bias, norm.weight, wide.bias, wide.weight; restore what is perturbed"
    ) in done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 150, "all three examples ran"

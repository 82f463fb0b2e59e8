"""The code of a workload, a method or a metric: what changes it, what does not, and what has none."""

import ast
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import dropattack
from dropattack import UsageError
from tests.trainables.code.conftest import Folder
from trainables.code.definition import Code, code_of
from trainables.code.modules import find
from trainables.datasets.digits import Digits

ROOT = Path(__file__).parents[3]

MINE = """
import torch
from helper import width
from dropattack import Method, register

def workload():
    from late import schedule
    hidden = width * 2
    return hidden, schedule

class Noise(Method):
    name = "noise"
    scale = 1e-9
    def step(self, model, batch, optimizer):
        return self.plain_step(model, batch, optimizer)
"""

FILES = {
    "mine.py": MINE,
    "helper.py": "from pkg.sizes import width\n",
    "pkg/__init__.py": "",
    "pkg/sizes.py": "width = 8\n",
    "late.py": "schedule = 'cosine'\n",
    "unrelated.py": "x = 1\n",
}

MODULES = {"mine", "helper", "pkg", "pkg.sizes", "late"}


@pytest.fixture(params=["workload", "Noise"])
def definition(request: pytest.FixtureRequest, folder: Folder) -> str:
    """A workload or a method of a user's, in a file that imports others."""
    folder.write(FILES)
    return f"mine:{request.param}"


def test_code_consists_of_a_module_and_what_it_imports(folder: Folder, definition: str) -> None:
    assert set(folder.code(definition)) == MODULES


@pytest.mark.parametrize("file", sorted(FILES.keys() - {"unrelated.py"}))
def test_an_edit_of_any_of_its_files_is_seen(folder: Folder, definition: str, file: str) -> None:
    before = folder.code(definition)
    folder.write({file: f"{FILES[file]}\nmore = 1\n"})
    after = folder.code(definition)
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert {name for name in after if after[name] != before[name]} == {module}
    assert Code(after).digest != Code(before).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [("1e-9", "1e-6"), ("hidden", "hiddes"), ("width * 2", "width * 3"), ('"noise"', '"voice"')],
)
def test_an_edit_that_keeps_a_files_size_and_time_is_seen(folder: Folder, old: str, new: str) -> None:
    folder.write(FILES)
    file = folder.path / "mine.py"
    time = file.stat().st_mtime_ns
    before = folder.code("mine:Noise")
    folder.write({"mine.py": MINE.replace(old, new)})
    os.utime(file, ns=(time, time))
    assert folder.code("mine:Noise") != before


@pytest.mark.parametrize("file", sorted(FILES))
def test_comments_docstrings_and_layout_are_not_seen(folder: Folder, definition: str, file: str) -> None:
    before = folder.code(definition)
    laid_out = ast.unparse(ast.parse(FILES[file].replace("1e-9", "0.000_000_001")))
    folder.write({file: f"'''Documented.'''\n# A comment.\n{laid_out}\n\n"})
    assert folder.code(definition) == before


def test_other_files_are_not_seen(folder: Folder, definition: str) -> None:
    before = folder.code(definition)
    folder.write({"unrelated.py": "x = 2\n", "pkg/new.py": "", "data.json": "{}"})
    assert folder.code(definition) == before


ASKING = """
if __name__ == "__main__":
    from trainables.code.definition import code_of
    print(code_of(workload).digest)
"""


def script(folder: Path, name: str) -> str:
    """The digest that a script computes of a definition of its own."""
    ran = subprocess.run(
        [sys.executable, folder / name],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()


def test_a_moved_folder_and_a_script_have_the_same_code(folder: Folder, tmp_path: Path) -> None:
    folder.write({**FILES, "mine.py": MINE + ASKING})
    digest = Code(folder.code("mine:workload")).digest
    shutil.copytree(folder.path, tmp_path / "elsewhere" / "deeper")
    shutil.rmtree(folder.path)
    assert script(tmp_path / "elsewhere" / "deeper", "mine.py") == digest


@pytest.mark.parametrize("name", ["__main__", "__mp_main__"])
@pytest.mark.parametrize("as_module", [False, True])
def test_what_python_was_started_with_has_its_importable_name(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str, as_module: bool
) -> None:
    folder.write({"pkg/__init__.py": "", "pkg/mine.py": "from pkg import other\nx = 1\n", "pkg/other.py": ""})
    started = ModuleType(name)
    started.__file__ = str(folder.path / "pkg" / "mine.py")
    started.__spec__ = find("pkg.mine") if as_module else None
    monkeypatch.setitem(sys.modules, name, started)
    code = code_of(started)
    assert code is not None
    assert set(code.modules) == {"pkg", "pkg.other", "pkg.mine" if as_module else "mine"}


def test_a_module_stands_for_the_objects_in_it(folder: Folder) -> None:
    folder.write(FILES)
    assert folder.code("mine") == folder.code("mine:workload")


DECORATED = {
    "deco.py": """
import functools
def twice(f):
    @functools.wraps(f)
    def g(): return f() * 2
    return g
""",
    "mine.py": """
import functools
from deco import twice
@functools.cache
@twice
def metric(): return 1
""",
}


def test_a_decorated_function_is_the_one_that_it_wraps(folder: Folder) -> None:
    folder.write(DECORATED)
    assert set(folder.code("mine:metric")) == {"mine", "deco"}


@pytest.mark.parametrize(
    "definition", [dropattack.DropAttack, Digits, dropattack.create, ast, statistics.mean, len, float, os]
)
def test_this_project_and_the_standard_library_do_not_count(definition: object) -> None:
    assert code_of(definition) is None


REFUSED = """
import functools, types

def metric(a, b): return a - b
small = lambda a, b: a
half = functools.partial(metric, 0.5)
posing = functools.update_wrapper(functools.partial(metric, 0.5), metric)
cached = functools.cache(half)
class Scale:
    def __init__(self, by): self.by = by
    def metric(self, a, b): return self.by * (a - b)
    @classmethod
    def build(cls): return cls(1)
    def __call__(self, a, b): return self.metric(a, b)
bound, built, instance = Scale(2).metric, Scale.build, Scale(3)
appended = [].append
def made(by):
    class Method: factor = by
    def inner(a, b): return by * a
    return Method, inner
inner_class, inner = made(3)
def bare(f):
    def g(*a): return f(*a) * 2
    return g
decorated = bare(metric)
exec("def executed(a, b): return a")
exec("class Executed: pass")
dynamic = type("Dynamic", (), {"factor": 3})
module = types.ModuleType("nowhere")
exec("def f(): pass", vars(module))
lost = module.f
text, number, nothing = "mine:metric", 3, None
"""

REASONS = {
    "small": "the source of <lambda> .* a lambda has no name",
    "half": "a partial .* holds values that its source does not show",
    "posing": "holds values",
    "cached": "holds values",
    "bound": r"Scale\.metric .* a bound method depends on its object",
    "built": "bound method",
    "instance": "a Scale .* neither a function nor a class",
    "appended": "neither a function nor a class",
    "inner_class": "made inside a function",
    "inner": "made inside a function",
    "decorated": r"lacks functools\.wraps",
    "executed": r"mine\.py does not define it",
    "Executed": r"mine\.py does not define it",
    "dynamic": r"mine\.py does not define it",
    "module": "nowhere, which has no file",
    "lost": "nowhere, which has no file",
    "text": "neither",
    "number": "neither",
    "nothing": "neither",
}


@pytest.mark.parametrize("name", REASONS)
def test_what_its_source_does_not_decide_is_refused(folder: Folder, name: str) -> None:
    folder.write({"mine.py": REFUSED})
    with pytest.raises(UsageError, match=f"{REASONS[name]}.*; write it with def or class") as caught:
        folder.code(f"mine:{name}")
    assert "\n" not in str(caught.value)
    assert set(folder.code("mine:metric")) == {"mine"}


def test_a_definition_in_a_notebook_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    exec("def workload(): return helper()", vars(notebook))
    with pytest.raises(UsageError, match="defined in a notebook or at a prompt; write it"):
        code_of(notebook.workload)

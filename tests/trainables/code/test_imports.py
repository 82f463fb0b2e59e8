"""Which modules a user's code consists of: those that Python would import, and no others."""

import importlib.machinery
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dropattack import UsageError
from tests.trainables.code.conftest import Folder

MODULES = {
    "helper.py": "",
    "late.py": "",
    "chain.py": "import helper\n",
    "circle.py": "import mine\n",
    "pkg/__init__.py": "",
    "pkg/layers.py": "from .blocks import relu\n",
    "pkg/blocks.py": "relu = 1\n",
    "pkg/unused.py": "",
    "pkg/deep/__init__.py": "from .. import blocks\n",
    "pkg/deep/net.py": "from ..unused import x\n",
    "offers/__init__.py": "__all__ = ['one', 'value']\nvalue = 1\n",
    "offers/one.py": "",
    "offers/two.py": "",
    "space/inner/mod.py": "",
    "space/own/__init__.py": "",
    "space/own/mod.py": "from ..inner import mod\n",
    "unrelated.py": "raise SystemExit('was run')\n",
}

PKG = {"pkg", "pkg.layers", "pkg.blocks"}

CASES = {
    "import helper": {"helper"},
    "import helper as other, late": {"helper", "late"},
    "from helper import anything": {"helper"},
    "import chain": {"chain", "helper"},
    "import circle": {"circle"},
    "def workload():\n    import late": {"late"},
    "class Net:\n    async def build(self):\n        from late import x": {"late"},
    "try:\n    import helper\nexcept ImportError:\n    import missing": {"helper"},
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import helper": {"helper"},
    "import pkg": {"pkg"},
    "import pkg.layers": PKG,
    "from pkg import layers": PKG,
    "from pkg.layers import relu": PKG,
    "from pkg import missing": {"pkg"},
    "import pkg.deep": {"pkg", "pkg.deep", "pkg.blocks"},
    "import pkg.deep.net": {"pkg", "pkg.deep", "pkg.blocks", "pkg.deep.net", "pkg.unused"},
    "from offers import *": {"offers", "offers.one"},
    "import space.inner.mod": {"space.inner.mod"},
    "from space.inner import mod": {"space.inner.mod"},
    "import space.own.mod": {"space.own", "space.own.mod", "space.inner.mod"},
    "import space": set(),
    "import importlib\nimportlib.import_module('pkg.layers')": PKG,
    "from importlib import import_module\nimport_module('helper')": {"helper"},
    "__import__('helper')": {"helper"},
    "__import__('hel' + 'per')": set(),
    "from . import helper": set(),
    "from .... import helper": set(),
    "import sys, json.decoder, torch.nn, numpy as np, pytest": set(),
    "import dropattack, search.cli\nfrom trainables import workloads": set(),
}


@pytest.mark.parametrize("source", CASES)
def test_the_modules_that_a_source_imports(folder: Folder, source: str) -> None:
    folder.write({**MODULES, "mine.py": source})
    assert folder.covered() == {"mine", *CASES[source]}


@pytest.mark.parametrize("module", ["mine", "pkg.deep.net", "space.own.mod", "circle"])
def test_they_are_those_that_python_runs(folder: Folder, module: str) -> None:
    folder.write(
        {**MODULES, "mine.py": "import chain, circle, pkg.deep.net, space.own.mod", "pkg/unused.py": "x = 1"}
    )
    script = (
        f"import sys, json; sys.path.insert(0, {str(folder.path)!r}); import {module}\n"
        "files = {name: getattr(module, '__file__', None) or '' for name, module in sys.modules.items()}\n"
        f"print(json.dumps([name for name in files if files[name].startswith({str(folder.path)!r})]))"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert folder.covered(module) == set(json.loads(ran.stdout))


def test_modules_are_found_alike_before_and_after_they_are_imported(folder: Folder) -> None:
    folder.write(
        {**MODULES, "mine.py": "import pkg.deep.net, space.own.mod, chain\n", "pkg/unused.py": "x = 1\n"}
    )
    before = folder.covered()
    assert set(folder.code("mine")) == before
    assert "pkg.unused" in before


def test_a_users_module_may_have_the_name_of_any_other(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write(dict.fromkeys(("tabnanny.py", "analysis.py", "search/__init__.py", "code.py"), ""))
    for name in ("tabnanny", "analysis", "search", "code"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    folder.write({"mine.py": "import tabnanny, analysis, search, code"})
    assert folder.covered() == {"mine", "tabnanny", "analysis", "search", "code"}


def test_modules_in_an_archive_are_read(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = folder.path / "more.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped/__init__.py", "from zipped import part")
        file.writestr("zipped/part.py", "")
    monkeypatch.syspath_prepend(archive)
    folder.write({"mine.py": "import zipped"})
    assert folder.covered() == {"mine", "zipped", "zipped.part"}


@pytest.mark.parametrize("suffix", [importlib.machinery.EXTENSION_SUFFIXES[0], ".pyc"])
def test_a_compiled_module_counts_by_its_bytes(folder: Folder, suffix: str) -> None:
    folder.write({"mine.py": "def workload():\n    import kernel\n", f"kernel{suffix}": "one"})
    before = folder.code("mine")
    folder.write({f"kernel{suffix}": "two"})
    after = folder.code("mine")
    assert {name for name in after if after[name] != before[name]} == {"kernel"}


def test_a_file_that_cannot_be_read_is_named(folder: Folder) -> None:
    folder.write({"mine.py": "import helper", "helper.py": ""})
    __import__("helper")
    (folder.path / "helper.py").unlink()
    with pytest.raises(UsageError, match=r"^cannot read .*helper\.py \(No such file"):
        folder.covered()


BROKEN = {
    b"def f(:\n": r"line 1 \(.+\); correct it",
    b"x = 1\nx = '\n": "line 2",
    b"x = '\xff'\n": r"\(.*utf-8",
    b"# -*- coding: nonsense -*-\n": "nonsense",
    b"x = 1\0\n": "null",
    b"x = " + b"(" * 2000 + b")" * 2000 + b"\n": "paren|nested|MemoryError|recursion",
}


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_file_that_cannot_be_parsed_is_named(folder: Folder, content: bytes) -> None:
    folder.write({"mine.py": "try:\n    import helper\nexcept SyntaxError:\n    pass"})
    Path(folder.path, "helper.py").write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot parse .*helper\.py.*" + BROKEN[content]) as caught:
        folder.covered()
    assert "\n" not in str(caught.value)

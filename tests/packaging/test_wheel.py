"""What a user of the wheel gets: its files, and the demo of the first tutorial from an empty folder."""

import json
import re
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest

from search.submission.upload import project_files
from tests.docs.pages import ROOT, examples, text_of
from tests.docs.walk import follow
from tests.packaging.user import User

pytestmark = pytest.mark.slow

PACKAGES = ("analysis", "dropattack", "search", "trainables")


def test_the_wheel_holds_every_file_of_the_four_packages_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert files == {str(path) for path in project_files(ROOT) if path.parts[0] in PACKAGES}
    assert files >= {
        "analysis/published/dropattack.csv",
        "analysis/templates/report.html",
        "search/sweeps/demo.yaml",
    }


@pytest.fixture(scope="module")
def user(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> User:
    """Someone who has installed the wheel, and to whom the tested versions of its dependencies are lent."""
    someone = User(tmp_path_factory.mktemp("user"))
    someone.pip("install", "--quiet", "--no-deps", wheel)
    site = someone.python("import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # Python imports from a folder that a .pth file names, but reads no .pth file there, such as an editable
    # install's.
    Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return someone


@pytest.fixture(scope="module")
def ran(user: User) -> str:
    """What the first tutorial printed, which was followed to its end."""
    return follow("docs/tutorials/first-sweep.md", user)


def test_nothing_of_the_checkout_is_seen(user: User) -> None:
    asked = f"""
import importlib.util, sys
from importlib import metadata
print(*(importlib.util.find_spec(name).origin for name in {PACKAGES}), sep="\\n")
print(metadata.distribution("dropattack").locate_file(""))
print(importlib.util.find_spec("benchmarks"), {str(ROOT)!r} in sys.path)
"""
    *places, rest = user.python(asked).splitlines()
    assert len(places) == len(PACKAGES) + 1
    assert all(Path(place).is_relative_to(user.bin.parent) for place in places), places
    assert rest == "None False"


def test_the_demo_runs_from_an_empty_folder_and_leaves_its_store_there(user: User, ran: str) -> None:
    (promised,) = re.findall(r"The demo trains (\d+) trials", text_of("README.md"))
    status = json.loads(user.dropattack("status", "demo", "--json"))
    assert status["finished"] == status["total"] == int(promised)
    assert set(status["states"]) <= {"complete", "pruned"}
    assert list(status["best"]) == ["digits-lenet5"]
    assert f"{promised} trials: " in ran
    assert "At equal cost" in ran
    assert [path.name for path in user.folder.iterdir()] == ["runs"]


def test_the_report_is_written_in_every_format(user: User, ran: str) -> None:
    report = user.folder / "runs/sweeps/demo/report/report.html"
    page = report.read_text(encoding="utf-8")
    assert "<title>demo" in page
    assert "</html>" in page
    written = {path.suffix for path in report.parent.rglob("*") if path.is_file()}
    assert written == {".html", ".md", ".csv", ".png", ".svg"}


def test_the_winners_model_is_loaded_as_the_tutorial_says(ran: str) -> None:
    assert "torch.Size([2, 10])" in ran


def test_the_analysis_pages_example_reads_what_the_demo_recorded(user: User, ran: str) -> None:
    example = examples("docs/explanations/analysis.md", "python")[0]
    printed = user.python(f"{example}\nprint(len(records.trials), len(scored))")
    trials, scored = map(int, printed.split())
    assert trials == json.loads(user.dropattack("status", "demo", "--json"))["total"]
    assert scored > 0
    assert (user.folder / "report" / "report.html").stat().st_size > 10_000

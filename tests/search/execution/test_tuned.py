"""Why a trial of Tune's ended, as Tune leaves it in its scratch folder."""

from pathlib import Path
from types import SimpleNamespace

from ray import cloudpickle
from ray.exceptions import RayTaskError

from search.execution.tuning import _error_of, _first_line
from trainables.notice import PreemptedError


def left(folder: Path, error: BaseException) -> SimpleNamespace:
    path = folder / "error.pkl"
    path.write_bytes(cloudpickle.dumps(error))
    return SimpleNamespace(pickled_error_file=str(path))


def test_a_death_has_its_reason(tmp_path: Path) -> None:
    dead = left(tmp_path, RuntimeError("The actor died: OOM\nmore"))
    assert _first_line(_error_of(dead)) == "The actor died: OOM"
    for path in (None, str(tmp_path / "gone")):
        assert _first_line(_error_of(SimpleNamespace(pickled_error_file=path))) == "no reason given"


def test_what_left_for_a_notice_is_known_behind_ray_s_wrapper(tmp_path: Path) -> None:
    wrapped = RayTaskError("step", "traceback", PreemptedError(True)).as_instanceof_cause()
    found = _error_of(left(tmp_path, wrapped))
    assert isinstance(found, PreemptedError)
    assert found.further is True

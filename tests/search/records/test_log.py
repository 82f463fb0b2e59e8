"""The log of what a sweep's driver did."""

import logging
from datetime import datetime
from pathlib import Path

import pytest

from search.records.log import sweep_log


def test_what_modules_say_is_logged_with_its_time_and_without_credentials(tmp_path: Path) -> None:
    with sweep_log(tmp_path):
        logging.getLogger("search.execution.tuning").info("begins at %s", "http://ann:secret@host/")
    logging.getLogger("search.execution.tuning").info("afterwards")
    (line,) = (tmp_path / "sweep.log").read_text(encoding="utf-8").splitlines()
    time, level, text = line.split(" ", 2)
    assert datetime.fromisoformat(time).tzinfo is not None
    assert (level, text) == ("INFO", "begins at http://host/")


def test_an_error_that_ends_it_is_logged_with_its_traceback_and_raised(tmp_path: Path) -> None:
    with pytest.raises(KeyError), sweep_log(tmp_path):
        raise KeyError("http://ann:secret@host/")
    text = (tmp_path / "sweep.log").read_text(encoding="utf-8")
    assert "broke off: KeyError" in text
    assert "Traceback" in text
    assert "secret" not in text


def test_it_is_bounded_and_keeps_what_came_last(tmp_path: Path) -> None:
    log = logging.getLogger("search")
    for run in range(3):
        with sweep_log(tmp_path):
            for number in range(10_000):
                log.info("run %d, line %d %s", run, number, "x" * 100)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["sweep.log", "sweep.log.1"]
    assert sum(file.stat().st_size for file in files) <= 2 * 2**20
    last = (tmp_path / "sweep.log").read_text(encoding="utf-8").splitlines()[-1]
    assert "run 2, line 9999" in last


def test_a_log_that_cannot_be_written_ends_nothing_and_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sweep.log").mkdir()
    with sweep_log(tmp_path):
        logging.getLogger("search").error("lost")
    assert capsys.readouterr() == ("", "")

"""Rows of the GPU's benchmark where children die, hang, fail or have no time; on a CPU."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import run
from benchmarks.gpu.jobs import ALONE, COMPILED, LANES, PROCESSES, STEP, Job, jobs
from benchmarks.gpu.rows import DIED, FAILED, FULL, HUNG, OK, UNTRIED, Row, read
from benchmarks.gpu.session import Session
from tests.benchmarks.gpu.faulty import command, lives
from tests.patience import PATIENCE_SECONDS

LONG = float(PATIENCE_SECONDS)
pytestmark = pytest.mark.slow


def job(measure: str, method: str = "", at_once: int = 1) -> Job:
    return Job(measure, "grid", method, at_once, device="cpu", quick=True, rounds=1)


def session(**faults: str) -> Session:
    return Session(LONG, until=float("inf"), command=command(**faults))


def test_a_step_that_dies_or_fails_costs_its_own_row_alone(tmp_path: Path) -> None:
    asked = [job(STEP, name) for name in ("standard", "sam", "fgm", "l1", "l2", "dropout")]
    faulty = session(step_sam="killed", step_l1="leaves", step_l2="fails")
    output = tmp_path / "rows.jsonl"
    assert not run(asked, faulty, output, {"device": "none"})
    ((_, rows),) = read(output.read_text().splitlines())
    assert [row.state for row in rows] == [OK, DIED, OK, DIED, FAILED, OK]
    assert [row.job for row in rows] == asked
    assert rows[1].said == "the process was killed by SIGKILL: the last thing that it printed"
    assert rows[3].said.startswith("the process ended with status 3")
    assert rows[4].said == "ValueError: CUDA error: out of memory, said somebody"


def test_a_child_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pids, limit = tmp_path / "pids", 1.0
    asked = [job(STEP, name) for name in ("standard", "sam", "fgm")]
    while not pids.exists():  # a busy machine needs longer to come so far
        started = session(step_sam=f"hangs {pids}", all="")
        rows = started.rows(asked)
        assert next(rows).state == OK
        started.limit = limit
        row = next(rows)
        started.limit = LONG
        assert next(rows).state == OK
        assert (row.state, row.said) == (HUNG, f"no answer within {limit:.0f} s")
        limit *= 2
    assert not any(lives(int(pid)) for pid in pids.read_text().split())


@pytest.mark.parametrize("measure", [LANES, PROCESSES])
def test_out_of_memory_is_tried_again_with_half_as_many_trials(measure: str) -> None:
    rows = list(session(all="full").rows([job(measure, at_once=9), job(ALONE)]))
    assert [(row.job.at_once, row.state) for row in rows] == [(9, FULL), (4, FULL), (2, OK), (1, OK)]
    assert "CUBLAS_STATUS_ALLOC_FAILED" in rows[0].said


def test_what_cannot_be_halved_any_more_ends(tmp_path: Path) -> None:
    asked = [job(LANES, at_once=2), job(ALONE)]
    rows = list(session(all="always full").rows(asked))
    assert [(row.job.at_once, row.state) for row in rows] == [(2, FULL), (1, FULL), (1, FULL)]


def test_a_missing_compiler_costs_the_compiled_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "nothing"))
    monkeypatch.setenv("CC", str(tmp_path / "nothing"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    rows = list(session().rows([job(COMPILED), job(ALONE)]))
    assert [row.state for row in rows] == [FAILED, OK]
    assert "compiler" in rows[0].said


def test_one_of_several_processes_that_dies_ends_the_row_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SIDE_BY_SIDE", "killed")
    (row,) = session().rows([job(PROCESSES, at_once=3)])
    assert row.state == FAILED
    assert row.said == "SideError: one of the processes was killed by SIGKILL"


def test_when_time_is_up_the_rest_are_rows_that_say_so(tmp_path: Path) -> None:
    asked = [job(STEP, "standard"), job(ALONE), job(LANES), job(COMPILED)]
    ticks = iter([0.0, 1.0, 2.0, 3.0])  # the start and the end of two rows
    timed = Session(LONG, until=9.0, clock=lambda: next(ticks, 10.0), command=command(all=""))
    output = tmp_path / "rows.jsonl"
    seen: list[int] = []
    told = timed.rows(asked)
    for row in told:
        seen.append(len(seen))
        assert row.state == (OK if len(seen) <= 2 else UNTRIED)
    assert len(seen) == len(asked)
    spent = Session(LONG, until=0.0, clock=lambda: 1.0, command=["nothing is started"])
    assert not run(asked, spent, output, {}), "what was not checked is not right"
    assert [row.state for row in read(output.read_text().splitlines())[0][1]] == [UNTRIED] * 4


def test_a_row_that_the_end_of_all_time_cuts_off_says_that(tmp_path: Path) -> None:
    faulty = command(alone=f"hangs {tmp_path / 'pids'}")
    (row,) = Session(LONG, until=1.0, clock=lambda: 0.0, command=faulty).rows([job(ALONE)])
    assert (row.state, row.said) == (UNTRIED, "cut off at the end of all time")


def test_each_row_is_on_the_disk_before_the_next_one_begins(tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    counts = []

    def kept() -> list[Row]:
        return read(output.read_text().splitlines())[0][1]

    def asked() -> Iterator[Job]:
        for method in ("standard", "fgm"):
            counts.append(len(kept()))
            yield job(STEP, method)

    assert run(asked(), session(all=""), output, {"device": "none"})
    assert counts == [0, 1]
    assert len(kept()) == 2


def test_a_wrong_number_is_no_success(tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    assert not run([job(STEP, "fgm"), job(STEP, "sam")], session(step_fgm="wrong", all=""), output, {})
    states = [json.loads(line)["row"]["state"] for line in output.read_text().splitlines()[1:]]
    assert states == ["wrong", "ok"]


def test_the_plan_checks_every_method_before_it_times_anything() -> None:
    for quick in (True, False):
        plan = list(jobs("cuda", quick, 3))
        kinds = [one.measure for one in plan]
        first = kinds.index(ALONE)
        assert STEP not in kinds[first:]
        assert {one.table for one in plan[:first]} == {"grid", "table10"}
        assert len(set(plan)) == len(plan)
        assert kinds[first + 1] == PROCESSES

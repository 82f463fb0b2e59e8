"""The GPU's benchmark as a command, small and on a CPU."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.gpu.__main__ import main
from benchmarks.gpu.jobs import jobs
from benchmarks.gpu.rows import OK, Row, append, read
from tests.benchmarks.gpu.faulty import command, figures, lives
from tests.patience import watched

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_the_whole_command_measures_everything_on_a_cpu(tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    arguments = ["--device", "cpu", "--quick", "--minutes", "1000", "--limit", "60000", "--output", output]
    with (tmp_path / "printed").open("w") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gpu", *map(str, arguments)],
            cwd=ROOT,
            stdout=printed,
            start_new_session=True,
        )
        status = watched(process, tmp_path)
    ((head, rows),) = read(output.read_text().splitlines())
    assert {row.name: row.said for row in rows if row.state != OK} == {}
    assert [row.job for row in rows] == list(jobs("cpu", quick=True, rounds=1))
    assert status == 0
    text = (tmp_path / "printed").read_text()
    assert head["torch"] in text
    assert all(row.line() in text for row in rows)
    assert text.index("| table | one at a time | processes | lanes | target |") > text.index(rows[-1].line())


@pytest.mark.heavy
def test_a_command_that_is_stopped_has_kept_its_rows_and_leaves_no_process(tmp_path: Path) -> None:
    output, pids = tmp_path / "rows.jsonl", tmp_path / "pids"
    faults = command(alone=f"hangs {pids}", all="")
    program = (
        f"import sys; from benchmarks.gpu.__main__ import main; sys.exit(main(sys.argv[1:], {faults!r}))"
    )
    arguments = ["--device", "cpu", "--quick", "--minutes", "1000", "--limit", "60000", "--output", output]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    watched(process, tmp_path, lambda: pids.exists() and len(pids.read_text().split()) == 2)
    process.send_signal(signal.SIGTERM)
    assert watched(process, tmp_path) == 143
    assert not any(lives(int(pid)) for pid in pids.read_text().split())
    ((_, rows),) = read(output.read_text().splitlines())
    assert len(rows) == [job.measure for job in jobs("cpu", True, 1)].index("alone")


def test_lines_of_an_interrupted_run_become_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "rows.jsonl"
    append(output, {"device": "H100", "torch": "torch 2.11"})
    for job in jobs("cuda", quick=False, rounds=3):
        if job.measure == "lanes" and job.at_once == 245:
            append(output, Row(job, "out of memory", "CUDA out of memory | more"))
        elif job.measure == "step" and job.method == "sam":
            append(output, Row(job, "died", "the process was killed by SIGSEGV"))
        elif job.table != "table10" or job.measure == "step":
            append(output, Row(job, OK, figures=figures(job)))
    with output.open("a") as file:
        file.write('{"row": {"job": {"measure": "st')
    assert main(["--markdown", str(output)]) == 0
    text = capsys.readouterr().out
    assert "H100, torch 2.11" in text
    assert (
        "| Table 10's grid, LeNet-5 | 30/h | 240/h (8.0 ×, 8 processes) | 1,470/h (49.0 ×, 49 lanes) |"
        in text
    )
    assert "| Table 10, LSTM | unmeasured | unmeasured | unmeasured |" in text
    assert r"| 245 lanes | out of memory: CUDA out of memory \| more |" in text
    assert "**died: the process was killed by SIGSEGV**" in text
    judged = sum(job.measure == "step" for job in jobs("cuda", quick=False, rounds=3)) + 1
    assert f"| all | {judged - 2} of {judged} | {judged} | **no** |" in text, "and lanes on images"
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


def test_without_a_gpu_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit) as left:
        main([])
    assert left.value.code == 2
    assert "--device cpu --quick" in capsys.readouterr().err

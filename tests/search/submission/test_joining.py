"""Waiting for the nodes of a job, with a Ray that is played by the test."""

import os
import subprocess
import sys

import pytest
import ray

from search.submission.joining import wait_for_nodes


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[list[bool]]:
    """Which nodes are alive at each look; nothing where the cluster is not there yet."""
    looks: list[list[bool]] = []

    def init(*_: object, **__: object) -> None:
        if not looks[0]:
            looks.pop(0)
            raise ConnectionError

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": alive} for alive in looks.pop(0)])
    monkeypatch.setattr("time.sleep", lambda _: None)
    return looks


def test_it_waits_until_all_nodes_are_alive(joined: list[list[bool]]) -> None:
    joined += [[], [True], [True, False], [True, True]]
    assert wait_for_nodes("127.0.0.1:1", 2, [os.getpid()]) == ""
    assert joined == []


def test_a_node_whose_process_has_ended_is_not_waited_for() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    problem = wait_for_nodes("127.0.0.1:1", 2, [os.getpid(), ended.pid])
    assert "Ray did not start on all of the 2 nodes" in problem

"""Training one trial from the command line."""

import json

import pytest

from trainables.__main__ import main


def test_one_trial_prints_an_object_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["training.epochs=2", "training.train_size=100", "method.targets=Conv.1.w", "model.hidden1=30"]
    arguments = [f"--set={option}" for option in options]
    assert main(["digits-lenet5", "dropattack", "--seed", "3", "--threads", "1", *arguments]) == 0
    epochs = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    assert "test_accuracy" in epochs[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits-lenet"], "did you mean 'digits-lenet5'"),
        (["digits-lenet5", "--set", "epochs=3"], "must read GROUP.NAME=VALUE"),
        (["digits-lenet5", "--set", "training.epoch=3"], "did you mean 'epochs'"),
        (["mnist-lenet5", "--data", "nowhere"], "no folder nowhere"),
    ],
)
def test_a_wrong_request_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main([*arguments, "--threads", "1"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1

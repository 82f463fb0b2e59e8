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
        (["digits-lenet5", "apb", "--set", "method.biases=nope"], "unknown target of digits-lenet5 'nope'"),
        (["digits-lenet5", "apb", "--set", "method.biases=conv1.b"], "valid: fc1.b, fc2.b, fc3.b"),
        (["digits-lenet5", "dropattack", "--set", "method.preset=[1]"], "unknown preset '[1]'"),
        ([":function"], "must read module:function"),
    ],
)
def test_a_wrong_request_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main([*arguments, "--threads", "1"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("option", [["--device", "foo"], ["--threads", "0"], ["--threads", "two"]])
def test_options_that_mean_nothing_here_are_refused(
    capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["digits-lenet5", *option])
    assert stopped.value.code == 2
    assert repr(option[1]) in capsys.readouterr().err


def test_a_training_that_diverges_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["training.train_size=100", "training.learning_rate=1e30"]
    assert main(["digits-lenet5", "--threads", "1", *[f"--set={option}" for option in options]]) == 1
    error = capsys.readouterr().err
    assert error.endswith("loss became nan in epoch 1\n")
    assert error.count("\n") == 1

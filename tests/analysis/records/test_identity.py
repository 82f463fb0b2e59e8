"""Who rows are that do not say so: what their settings name."""

import pandas as pd

from analysis.records import CONFIGURATION, CONTROL, Records


def test_controls_of_hand_made_rows_are_what_their_settings_say() -> None:
    settings = [
        ({"method": "standard"}, ""),
        ({"method": "standard", "rounds": 3}, "equal-passes"),
        ({"method": "dropattack", "epsilon": 0.0, "p": 0.5}, "eps-zero"),
        ({"method": "dropattack", "epsilon": 0.0, "p": 0.0}, "p-zero"),
        ({"method": "dropattack", "targets": "input", "input_ratio": 0.0, "epsilon": 1.0}, "eps-zero"),
        ({"method": "dropattack", "targets": "input+fc1.w", "input_ratio": 0.0, "epsilon": 1.0}, ""),
        ({"method": "dropattack", "control": "p-one", "epsilon": 1.0, "p": 0.5}, "p-one"),
        ({"method": "dropattack", "control": "p-one", "epsilon": 1.0, "p": 0.0}, "p-zero"),
    ]
    frame = pd.DataFrame([{"key": str(i), **values} for i, (values, _) in enumerate(settings)])
    assert Records(frame).trials[CONTROL].tolist() == [control for _, control in settings]
    twice = pd.concat([frame, frame.assign(seed=1)], ignore_index=True)
    assert Records(twice).trials[CONFIGURATION].nunique() == len(settings)

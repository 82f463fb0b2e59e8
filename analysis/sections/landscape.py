"""What do the minima look like?"""

from functools import partial

import pandas as pd

from analysis.document import Figure, Section, Table, number_column, text_column
from analysis.figures.landscape import contours, lines, surfaces


def section(line: pd.DataFrame, surface: pd.DataFrame, sharp: pd.DataFrame) -> Section:
    """Landscapes and sharpness as a part of a report.

    Args:
        line: What `analysis.landscape.line` gave.
        surface: What `analysis.landscape.surface` gave.
        sharp: What `analysis.sharpness.sharpness` gave.
    """
    models = ", ".join(dict.fromkeys(line["label"]))
    shared = "All models share the directions' random numbers, scaled to each model's own filters."
    caution = "Two random directions of very many; flatness is only loosely tied to generalisation."
    center = line[line["delta"].abs() == line["delta"].abs().min()].set_index("label")["loss"]
    flattest = sharp.set_index("label")["top_eigenvalue"]
    findings = [
        f"The lowest test loss at the minimum is {center.idxmin()}'s ({center.min():.3g}); the smallest top "
        f"eigenvalue of the Hessian {flattest.idxmin()}'s ({flattest.min():.3g}). One seed per model: an "
        "illustration, not a test."
    ]
    columns = {
        "top_eigenvalue": "top eigenvalue",
        "sam_sharpness": "SAM sharpness",
        "input_gradient": "‖∇ input‖",
        "weight_gradient": "‖∇ weights‖",
        "input_gradient_attacked": "‖∇ input‖, attacked",
        "weight_gradient_attacked": "‖∇ weights‖, attacked",
    }
    return Section(
        "landscape",
        "Loss landscapes",
        findings,
        [
            Figure(
                "landscape-line",
                "Along one direction",
                shared,
                caution,
                f"Lines for {models}.",
                partial(lines, line),
            ),
            Figure(
                "landscape-contours",
                "Contours of the loss",
                f"{shared} One scale for all, logarithmic, cut at the 90th percentile.",
                caution,
                f"Contours for {models}.",
                partial(contours, surface),
            ),
            Figure(
                "landscape-surface",
                "The same in three dimensions",
                "Low and wide is what the paper calls flat.",
                "Perspective flatters: read depths off the contours.",
                f"Surfaces for {models}.",
                partial(surfaces, surface),
            ),
            Table(
                "sharpness",
                "Sharpness",
                "Gradient norms are what the paper's eq. 13 says is penalised, at the trained point and "
                "one attack away.",
                sharp,
                [
                    text_column("model", "label"),
                    *(number_column(name, key, 4) for key, name in columns.items()),
                ],
            ),
        ],
    )

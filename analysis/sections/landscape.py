"""What do the minima look like?"""

from functools import partial

import pandas as pd

from analysis.document import Figure, Section, Table, number_column, text_column
from analysis.figures.landscape import contours, lines, surfaces

MEASURES = {
    "top_eigenvalue": "top eigenvalue",
    "sam_sharpness": "SAM sharpness",
    "input_gradient": "‖∇ input‖",
    "weight_gradient": "‖∇ weights‖",
    "input_gradient_attacked": "‖∇ input‖ attacked",
    "weight_gradient_attacked": "‖∇ weights‖ attacked",
}
"""Columns of `analysis.questions.sharpness.sharpness` that tell flatness, and how people call them."""


def section(line: pd.DataFrame, surface: pd.DataFrame, sharp: pd.DataFrame, workload: str = "") -> Section:
    """Landscapes and sharpness as a part of a report.

    Args:
        line: What `analysis.questions.landscape.line` gave.
        surface: What `analysis.questions.landscape.surface` gave.
        sharp: What `analysis.questions.sharpness.sharpness` gave.
        workload: Whose models these are, where a report has landscapes of several workloads.
    """
    models = ", ".join(dict.fromkeys(line["label"]))
    shared = "All models share the directions' random numbers, scaled to each model's own filters."
    caution = "Two random directions of very many; flatness is only loosely tied to generalisation."
    suffix = f"-{workload}" if workload else ""

    def named(text: str) -> str:
        return f"{workload}: {text}" if workload else text[0].upper() + text[1:]

    return Section(
        f"landscape{suffix}",
        named("loss landscapes"),
        [named(_lowest(line)), named(_flattest(sharp))],
        [
            Figure(
                f"landscape-line{suffix}",
                named("along one direction"),
                shared,
                caution,
                f"Lines for {models}.",
                partial(lines, line),
            ),
            Figure(
                f"landscape-contours{suffix}",
                named("contours of the loss"),
                f"{shared} One scale for all, logarithmic, cut at the 90th percentile.",
                caution,
                f"Contours for {models}.",
                partial(contours, surface),
            ),
            Figure(
                f"landscape-surface{suffix}",
                named("the loss in three dimensions"),
                "Low and wide is what the paper calls flat.",
                "Perspective distorts depths: read them off the contours.",
                f"Surfaces for {models}.",
                partial(surfaces, surface),
            ),
            Table(
                f"sharpness{suffix}",
                named("sharpness"),
                "By the paper's eq. 13 the attack penalises gradient norms. They are measured at the trained "
                "point and one attack away.",
                sharp,
                [
                    text_column("model", "label"),
                    *(number_column(name, key, 4) for key, name in MEASURES.items()),
                ],
            ),
        ],
    )


def _lowest(line: pd.DataFrame) -> str:
    center = line[line["delta"].abs() == line["delta"].abs().min()].set_index("label")["loss"]
    return f"the lowest test loss at the minimum is that of {center.idxmin()} ({center.min():.3g})."


def _flattest(sharp: pd.DataFrame) -> str:
    """Which model each measure calls the flattest; an eigenvalue is large by its magnitude."""
    table = sharp.set_index("label")
    if len(table) < 2:
        return "with one model there is nothing to compare."
    leads: dict[str, list[str]] = {}
    for key, name in MEASURES.items():
        values = table[key].dropna()
        if len(values):
            flattest = str(values.abs().idxmin())
            leads.setdefault(flattest, []).append(f"{name} ({values[flattest]:.3g})")
    told = "; ".join(f"{label} by {', '.join(measures)}" for label, measures in leads.items())
    verdict = (
        "The measures agree."
        if len(leads) == 1
        else "The measures disagree, so no model is called the flattest."
    )
    return f"the flattest is {told}. {verdict} One seed per model: an illustration, not a test."

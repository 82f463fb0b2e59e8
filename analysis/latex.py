"""Tables for papers: LaTeX with the rules of booktabs."""

import re
from collections.abc import Sequence

from analysis.document import Column, Table

_MATHS = {
    "ε": r"\varepsilon",
    "τ": r"\tau",
    "ρ": r"\rho",
    "σ": r"\sigma",
    "γ": r"\gamma",
    "α": r"\alpha",
    "β": r"\beta",
    "η": r"\eta",
    "λ": r"\lambda",
    "δ": r"\delta",
    "θ": r"\theta",
    "Δ": r"\Delta",
    "Σ": r"\Sigma",
    "∇": r"\nabla",
    "ℓ": r"\ell",
    "∞": r"\infty",
    "±": r"\pm",
    "×": r"\times",
    "·": r"\cdot",
    "≤": r"\leq",
    "≥": r"\geq",
    "≈": r"\approx",
    "→": r"\to",
    "√": r"\surd",
    "−": "-",
    "²": "^2",
    "′": "'",
    "‖": r"\|",
    "<": "<",
    ">": ">",
}
_TEXT = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "\N{NO-BREAK SPACE}": "~",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def latex_table(table: Table, columns: Sequence[Column]) -> str:
    r"""A table as LaTeX, which needs ``\usepackage{booktabs}``.

    Args:
        table: Its data and caption.
        columns: How rows are shown.

    Returns:
        A ``table`` environment with the rows that a page shows, named ``tab:NAME``.
    """
    kinds = "".join("r" if column.numeric else "l" for column in columns)
    head = " & ".join(escaped(column.label) for column in columns)
    rows = [" & ".join(escaped(column.text(row)) for column in columns) for row in table.visible()]
    more = [f"{table.hidden} more rows are left out."] if table.hidden else []
    caption = escaped(" ".join([f"{table.title.rstrip('.')}.", table.caption, *more]))
    name = re.sub(r"[^A-Za-z0-9-]+", "-", table.name)
    lines = [r"% needs \usepackage{booktabs}", r"\begin{table}", r"\centering", rf"\caption{{{caption}}}"]
    lines += [rf"\label{{tab:{name}}}", rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", rf"{head} \\"]
    lines += [r"\midrule", *(rf"{row} \\" for row in rows), r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    r"""Text for LaTeX that sets every character as it is, in one line.

    Examples:
        >>> escaped("ε 5 · 90 % of conv1_w")
        '$\\varepsilon$ 5 $\\cdot$ 90 \\% of conv1\\_w'
    """
    plain = re.sub(r"[^\S\N{NO-BREAK SPACE}]+", " ", text).strip()
    shown = (c for c in plain if c.isprintable() or c in _TEXT)
    cell = "".join(f"${_MATHS[c]}$" if c in _MATHS else _TEXT.get(c, c) for c in shown)
    return f"{{}}{cell}" if cell.startswith("[") else cell

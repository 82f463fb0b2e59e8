"""Tables for LaTeX: what has a meaning there is escaped, and rows keep their columns."""

import re
from pathlib import Path

import pandas as pd
import pytest

from analysis.document import Table, number_column, text_column
from analysis.latex import escaped, latex_table
from analysis.report import write_report
from tests.analysis import synthetic

COLUMNS = [text_column("method", "method"), number_column("n & m", "n")]


def _table(methods: list[str], shown: int = 30) -> Table:
    frame = pd.DataFrame({"method": methods, "n": range(len(methods))})
    return Table("my table", "Methods.", "All of 100 %", frame, COLUMNS, shown)


def test_a_table_by_hand() -> None:
    assert latex_table(_table(["a_b", "c"]), COLUMNS) == "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            r"\caption{Methods. All of 100 \%}",
            r"\label{tab:my-table}",
            r"\begin{tabular}{lr}",
            r"\toprule",
            r"method & n \& m \\",
            r"\midrule",
            r"a\_b & 0 \\",
            r"c & 1 \\",
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def test_what_is_left_out_is_said() -> None:
    text = latex_table(_table(["a"] * 5, 3), COLUMNS)
    assert r"\caption{Methods. All of 100 \% 2 more rows are left out.}" in text


@pytest.mark.parametrize(
    ("text", "set_as"),
    [
        ("50 % & more", r"50 \% \& more"),
        ("a_b#c$d{e}", r"a\_b\#c\$d\{e\}"),
        ("x~y^z\\n|m", r"x\textasciitilde{}y\textasciicircum{}z\textbackslash{}n\textbar{}m"),
        ("ε\N{NO-BREAK SPACE}5 · p < .001", r"$\varepsilon$~5 $\cdot$ p $<$ .001"),
        ("+0.56 [−3.36, ∞]", r"+0.56 [$-$3.36, $\infty$]"),
        ("two\nlines\t", "two lines"),
        ("[90, 91]", "{}[90, 91]"),
        ("–", "--"),
        ("é 数", "é 数"),
    ],
)
def test_text_is_set_as_it_reads(text: str, set_as: str) -> None:
    assert escaped(text) == set_as


def test_a_report_has_each_of_its_tables_once(tmp_path: Path) -> None:
    """With as many cells in a row as columns, and no letter that LaTeX's fonts lack."""
    evil = "50%_of$#&{}~^\\"
    frame = synthetic.trials(seeds=range(3), ks=[1, 2]).replace({"conv1.w": evil, "digits-lenet5": evil})
    write_report(synthetic.records(frame), tmp_path, ["csv", "tex"])
    files = sorted((tmp_path / "tables").glob("*.tex"))
    assert [file.stem for file in files] == sorted(path.stem for path in (tmp_path / "tables").glob("*.csv"))
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert text.isascii(), [c for c in text if not c.isascii()]
        kinds = re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)
        assert kinds is not None
        body = text.partition(r"\toprule")[2].partition(r"\bottomrule")[0]
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert rows
        for row in rows:
            assert len(re.findall(r"(?<!\\)&", row)) == len(kinds[1]) - 1
            assert len(re.findall(r"(?<!\\)\$", row)) % 2 == 0

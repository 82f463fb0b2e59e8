"""A report as Markdown, and its figures as files."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis import render
from analysis.document import Figure, Section
from analysis.page.subject import Subject
from analysis.report import sections, write_report
from tests.analysis import synthetic

SMALL: dict[str, Any] = {"targets": ["input", "conv1.w"], "epsilons": [1, 5], "ps": [0.5, 0.7]}


def test_markdown_reads_as_it_is_written(tmp_path: Path) -> None:
    """Apostrophes and quotes are what they are; the summary of the file stands first."""
    records = synthetic.records(
        synthetic.trials(**SMALL), sweep={"name": "own", "summary": 'Isn\'t it "so", <b>?', "stages": []}
    )
    write_report(records, tmp_path, ["md"])
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert text.startswith('# own\n\nIts file says: Isn\'t it "so", &lt;b&gt;?\n')
    assert "&#" not in text
    assert "&quot;" not in text
    assert "Holm's" in text
    assert f"{len(records.trials)} trials · " in text.partition("\n## ")[0]
    links = re.findall(r"\]\((figures/[^)]+)\)", text)
    assert links
    assert all((tmp_path / link).is_file() for link in links)


def test_figures_are_named_for_what_they_show(tmp_path: Path) -> None:
    """By kind and title, each once; two of one title are told apart."""
    frame = synthetic.trials(**SMALL, workloads=["a", "b"], seeds=range(2))
    records = synthetic.records(frame)
    write_report(records, tmp_path, ["svg"])
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    document = render.Document(Subject.of(records), sections(records))
    figures = [part for section in document.sections for part in section.parts if isinstance(part, Figure)]
    assert len(names) == len(figures) > 4
    assert {"layers-a-gain-by-attacked-layers", "layers-b-gain-by-attacked-layers"} <= names
    assert not any(re.fullmatch(r"[a-z]+-\d+(-[a-z]+)?", name) for name in names)
    same = [replace(figures[0], name=f"{figures[0].name}-{number}") for number in range(3)]
    twice = render.Document(Subject.of(records), [Section("one", "One", [], same)])
    assert len(set(twice.files.values())) == 3

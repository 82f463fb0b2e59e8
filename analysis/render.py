"""A document as HTML, Markdown, images, CSV and LaTeX."""

import html
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.figure import Figure as Drawing

from analysis.document import Column, Figure, Row, Section, Table, file_name
from analysis.figures.style import inline_svg, png, svg
from analysis.latex import latex_table
from analysis.page.subject import Subject
from dropattack import UsageError
from trainables.disk import write_atomically

_COLUMN = 6.2
"""The widest figure, in inches, that fits beside another."""

_LONGEST_NAME = 120
"""The most characters of a figure's file name, without its ending."""

_LONG = 24
"""From so many characters on, a cell gets more room."""


class Document:
    """A report before it is written.

    Args:
        subject: What it is about.
        sections: Its parts, in order.

    Raises:
        UsageError: Two sections, or two of their figures and tables, have one name.
    """

    def __init__(self, subject: Subject, sections: Sequence[Section]) -> None:
        self.subject = subject
        self.sections = sections
        for named in (self.sections, self._parts()):
            names = Counter(file_name(part.name) for part in named)
            for name in (name for name, times in names.items() if times > 1):
                raise UsageError(f"two parts of a report have the name {name!r}; give each one of its own")

    @cached_property
    def files(self) -> dict[str, str]:
        """The name, without its ending, of every figure's file: what kind it is, and its title."""
        found: dict[str, str] = {}
        for part in self._parts():
            if isinstance(part, Figure):
                name = file_name(f"{part.name.partition('-')[0]} {part.title}")[:_LONGEST_NAME].rstrip("-.")
                taken = sum(other == name or other.startswith(f"{name}_") for other in found.values())
                found[part.name] = f"{name}_{taken + 1}" if taken else name
        return found

    @cached_property
    def drawings(self) -> dict[str, Drawing]:
        """Every figure, drawn once."""
        return {part.name: part.draw() for part in self._parts() if isinstance(part, Figure)}

    def columns(self, table: Table) -> list[Column]:
        """The columns that people see: that of the workload only where there are several."""
        several = self.subject.workloads > 1
        return [column for column in table.columns if several or column.label != "workload"]

    def html(self) -> str:
        """The whole page; it needs no other file and no network."""
        environment = Environment(
            loader=PackageLoader("analysis"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        environment.lstrip_blocks = True
        environment.filters["cell"] = _html_cell
        environment.filters["coded"] = _coded
        environment.tests["figure"] = lambda part: isinstance(part, Figure)
        environment.tests["wide"] = lambda part: self.drawings[part.name].get_figwidth() > _COLUMN
        template = environment.get_template("report.html")
        return template.render(
            subject=self.subject,
            sections=self.sections,
            drawing=self._inline,
            columns=self.columns,
            style=Markup(_template("report.css")),
            script=Markup("\n".join(map(_template, ("report.js", "trials.js", "marks.js")))),
        )

    def markdown(self) -> str:
        """The same in Markdown; figures are linked as the files that `write_figures` writes."""
        lines = [f"# {_plain(self.subject.name)}", ""]
        if self.subject.summary:
            lines += [f"Its file says: {_plain(self.subject.summary)}", ""]
        lines += [" · ".join(f"{_plain(count)} {_plain(name)}" for name, count in self.subject.facts), ""]
        for section in self.sections:
            lines += [
                f"## {_plain(section.title)}",
                "",
                *(f"- {_plain(text)}" for text in section.findings),
                "",
            ]
            for note in section.notes:
                lines += [_plain(note), ""]
            for part in section.parts:
                if isinstance(part, Figure):
                    lines += _markdown_figure(part, self.files[part.name])
                else:
                    lines += _markdown_table(part, self.columns(part))
        for each in self.subject.definitions:
            if each.text:
                lines += ["## Reproduce", "", *_indented(each.typed), ""]
                lines += [f"Or `{each.command}`, with this in {each.file}:", ""]
                lines += [*_indented(each.text), ""]
        lines += [
            f"- {_plain(name)} {_plain(found)}" for name, found in sorted(self.subject.versions.items())
        ]
        return "\n".join(lines) + "\n"

    def write_figures(self, directory: Path, formats: Sequence[str]) -> None:
        """Writes every figure as ``NAME.png`` or ``NAME.svg``; see `files`."""
        for name, drawing in self.drawings.items() if formats else ():
            directory.mkdir(parents=True, exist_ok=True)
            if "svg" in formats:
                write_atomically(directory / f"{self.files[name]}.svg", svg(drawing, name).encode())
            if "png" in formats:
                write_atomically(directory / f"{self.files[name]}.png", png(drawing))

    def write_tables(self, directory: Path) -> None:
        """Writes every table, whole, as ``NAME.csv``."""
        directory.mkdir(parents=True, exist_ok=True)
        for part in self._parts():
            if isinstance(part, Table):
                path = directory / f"{file_name(part.name)}.csv"
                write_atomically(path, part.data.to_csv(index=False, lineterminator="\n").encode())

    def write_latex(self, directory: Path) -> None:
        """Writes every table, as the page shows it, as ``NAME.tex``."""
        directory.mkdir(parents=True, exist_ok=True)
        for part in self._parts():
            if isinstance(part, Table):
                text = latex_table(part, self.columns(part))
                write_atomically(directory / f"{file_name(part.name)}.tex", text.encode())

    def _parts(self) -> list[Figure | Table]:
        return [part for section in self.sections for part in section.parts]

    def _inline(self, figure: Figure) -> Markup:
        drawing = self.drawings[figure.name]
        marks = [(str(escape(mark.text)), " ".join(map(str, mark.trials))) for mark in figure.marks]
        words = (str(escape(figure.title)), str(escape(figure.alt)))
        text = inline_svg(drawing, file_name(figure.name), *words, marks)
        return Markup(text)


def _template(name: str) -> str:
    return (resources.files("analysis") / "templates" / name).read_text(encoding="utf-8")


def _coded(text: str) -> Markup:
    """Text in which what stands between backticks is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    code = Markup("<code>{}</code>")
    found = (code.format(part) if i % 2 else escape(part) for i, part in enumerate(parts))
    return Markup("").join(found)


def _html_cell(column: Column, row: Row) -> Markup:
    """One ``<td>``, with its sort value and its link."""
    text = escape(column.text(row))
    href = column.href(row) if column.href is not None else ""
    if href.startswith(("http://", "https://")):
        text = Markup('<a href="{}">{}</a>').format(href, text)
    order = "" if column.order is None else _order(column.order(row))
    kinds = ["number" if column.numeric else "long" if len(column.text(row)) > _LONG else ""]
    kinds += ["leads"] if column.leads else []
    kind = " ".join(filter(None, kinds))
    opening = Markup('<td{}{} data-label="{}">').format(
        Markup(' class="{}"').format(kind) if kind else "",
        Markup(' data-order="{}"').format(order) if column.order is not None else "",
        column.label,
    )
    return opening + text + Markup("</td>")


def _order(value: Any) -> str:
    return (
        "" if value is None or value != value else f"{value:.10g}" if isinstance(value, float) else str(value)
    )


def _markdown_figure(figure: Figure, file: str) -> list[str]:
    link = f"![{_plain(figure.alt)}](figures/{file}.png)"
    return [
        f"### {_plain(figure.title)}",
        "",
        link,
        "",
        f"{_plain(figure.caption)} {_plain(figure.caution)}",
        "",
    ]


def _markdown_table(table: Table, columns: Sequence[Column]) -> list[str]:
    head = " | ".join(_plain(column.label) for column in columns)
    rule = " | ".join("---:" if column.numeric else "---" for column in columns)
    rows = [" | ".join(_plain(column.text(row)) for column in columns) for row in table.visible()]
    left_out = f"{table.hidden} more rows are left out here; `--format csv` writes them all."
    more = [left_out, ""] if table.hidden else []
    lines = [f"### {_plain(table.title)}", "", _plain(table.caption), "", f"| {head} |", f"| {rule} |"]
    return [*lines, *(f"| {row} |" for row in rows), "", *more]


def _indented(text: str) -> list[str]:
    """Text as Markdown's code, of which no line stands outside."""
    return [f"    {_printable(line)}" for line in text.splitlines()]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _plain(text: str) -> str:
    """Text that neither breaks a Markdown table nor becomes markup."""
    line = html.escape(_printable(" ".join(str(text).split())), quote=False).replace("|", "\\|")
    return line.replace("](", "]\\(").replace("]:", "]\\:")

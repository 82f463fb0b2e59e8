"""A report from records: one self-contained page, and its parts as files.

The same records give the same bytes; nothing in a report depends on when or where it was made.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from analysis import render
from analysis.document import Section
from analysis.export import write_trials
from analysis.page.subject import Subject
from analysis.questions.awaited import without_waiting
from analysis.records import Records
from analysis.sections import (
    budget,
    comparison,
    contest,
    controls,
    front,
    importance,
    layers,
    overview,
    papers,
    racing,
    robustness,
    selection,
    sensitivity,
    trained,
    verdict,
)
from dropattack import UsageError
from dropattack.errors import unknown
from trainables.disk import write_atomically

FORMATS = ("html", "png", "svg", "csv", "parquet", "tex", "md")
_Build = Callable[[Records], Section | None]
_FURTHER: tuple[_Build, ...] = (
    contest.section,
    front.section,
    controls.section,
    layers.section,
    sensitivity.section,
    budget.training_size,
    robustness.section,
    papers.section,
)
_OF_ALL_TRIALS: tuple[_Build, ...] = (overview.section, selection.failed)
_MEASURING: tuple[_Build, ...] = (
    budget.passes,
    selection.best,
    racing.section,
    importance.section,
    selection.learning_section,
    trained.section,
)


def sections(records: Records) -> list[Section]:
    """Every part of a report for which these records have data: answers, then how they were measured."""
    looked_at = without_waiting(records)
    answers = [verdict.section(records), *(build(looked_at) for build in _FURTHER)]
    measuring = [build(records) for build in _OF_ALL_TRIALS] + [build(looked_at) for build in _MEASURING]
    return [
        *filter(None, answers),
        *(replace(section, on_measuring=True) for section in measuring if section is not None),
    ]


def write_report(
    records: Records,
    directory: Path,
    formats: Iterable[str] = ("html",),
    extra: Sequence[Section] = (),
) -> Path:
    """Writes a report.

    Args:
        records: What a sweep recorded; an empty one gives a report that says so.
        directory: Where to; made if it is not there.
        formats: Any of `FORMATS`: ``html`` one page, ``md`` the same as Markdown, which
            shows figures as ``png``, ``png`` and ``svg`` every
            figure below ``figures/``, ``csv`` every table, whole, below ``tables/`` and ``trials.csv`` with a
            row for each trial, ``parquet`` the same rows as ``trials.parquet``, ``tex`` every table as the
            page shows it, for LaTeX, below ``tables/``.
        extra: Further answers, such as loss landscapes.

    Returns:
        The page; the directory where ``html`` was not asked for.

    Raises:
        UsageError: A format is unknown or the directory cannot be written.
    """
    wanted = _known(formats)
    found = sections(records)
    answers = [section for section in found if not section.on_measuring]
    measuring = [section for section in found if section.on_measuring]
    document = render.Document(Subject.of(records), [*answers, *extra, *measuring])
    return _write(document, directory, wanted, records)


def write_comparison(several: Sequence[Records], directory: Path, formats: Iterable[str] = ("html",)) -> Path:
    """Writes a page of several sweeps beside each other.

    Args:
        several: The records of each; the others are compared with the first.
        directory: Where to; made if it is not there.
        formats: See `write_report`; there is no row for each trial here.

    Returns:
        The page; the directory where ``html`` was not asked for.

    Raises:
        UsageError: A format is unknown or the directory cannot be written.
    """
    wanted = _known(formats)
    document = render.Document(Subject.of_several(several), comparison.sections(several))
    return _write(document, directory, wanted)


def _pictures(wanted: Sequence[str]) -> list[str]:
    """The formats of figures: Markdown shows them as ``png``."""
    return [name for name in ("png", "svg") if name in wanted or (name == "png" and "md" in wanted)]


def _known(formats: Iterable[str]) -> list[str]:
    wanted = list(dict.fromkeys(formats))
    for name in wanted:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    return wanted


def _write(
    document: render.Document, directory: Path, wanted: Sequence[str], records: Records | None = None
) -> Path:
    for part in (directory / "figures", directory / "tables"):
        if not part.resolve().is_relative_to(directory.resolve()):
            raise UsageError(f"{part} is a link that leads out of the report; remove it")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if "html" in wanted:
            write_atomically(directory / "report.html", document.html().encode())
        if "md" in wanted:
            write_atomically(directory / "report.md", document.markdown().encode())
        document.write_figures(directory / "figures", _pictures(wanted))
        if "csv" in wanted:
            document.write_tables(directory / "tables")
        if "tex" in wanted:
            document.write_latex(directory / "tables")
        for name in ("csv", "parquet"):
            if name in wanted and records is not None:
                write_trials(records, directory, name)
    except OSError as error:
        raise UsageError(
            f"cannot write the report to {directory}: {error.strerror}; name another folder"
        ) from error
    return directory / "report.html" if "html" in wanted else directory

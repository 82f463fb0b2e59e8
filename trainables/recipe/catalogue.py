"""The settings of training as a table for people.

    python -m trainables.recipe.catalogue docs/reference/training.md

renews the table between the markers of a Markdown page.
"""

import sys
from pathlib import Path

from dropattack.catalogue import renewed, settings_table
from trainables.recipe.settings import TrainingSettings


def table() -> str:
    """A Markdown table of every setting of training: default, range and meaning."""
    return settings_table(TrainingSettings, "setting")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(renewed(target.read_text(), table))

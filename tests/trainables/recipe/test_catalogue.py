from pathlib import Path

from dropattack.catalogue import renewed
from trainables.recipe.catalogue import table
from trainables.recipe.settings import TrainingSettings

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "training.md"


def test_the_page_has_every_setting_as_the_code_declares_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert renewed(page, table) == page, (
        "run: python -m trainables.recipe.catalogue docs/reference/training.md"
    )
    assert all(f"| `{name}` |" in page for name in TrainingSettings.ranges())

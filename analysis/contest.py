"""Decides from searched seeds, never from a test, which arms of a contest meet, with which configuration."""

from collections.abc import Collection, Hashable, Iterable

from analysis.choice import Choice


class Contest:
    """Ways to train that compete, each a stage that searched for its own best configuration.

    It compares arms by the mean validation value of their best configurations on the searched seeds. Results
    on fresh seeds decide nothing here, and so stay unbiased.

    Args:
        contenders: The arms in question; the best of them meets the best of all others.
    """

    def __init__(self, contenders: Collection[str]) -> None:
        self._contenders = contenders
        self._choices: dict[str, Choice] = {}

    def add(
        self, arm: str, configuration: Hashable, seed: Hashable, key: str, value: float, *, race: bool
    ) -> None:
        """Adds a complete trial of an arm.

        Args:
            arm: The stage that searched.
            configuration: Names its configuration; see `trainables.trial.Identity`.
            seed: Its seed.
            key: Its key.
            value: Its validation value, larger is better.
            race: Whether the arm's candidates race for further seeds.
        """
        choice = self._choices.setdefault(arm, Choice())
        choice.add(configuration, seed, key, value, fresh=False, race=arm if race else None)

    @property
    def best(self) -> dict[str, Hashable]:
        """The configuration of each arm that has results, in the order in which arms came."""
        return {arm: choice.best for arm, choice in self._choices.items()}

    @property
    def contender(self) -> str | None:
        """The best of the contenders; ``None`` if none has a result."""
        return self._leading(arm for arm in self._choices if arm in self._contenders)

    @property
    def rival(self) -> str | None:
        """The best of the others; ``None`` if none has a result."""
        return self._leading(arm for arm in self._choices if arm not in self._contenders)

    def _leading(self, arms: Iterable[str]) -> str | None:
        return min(arms, key=self._rank, default=None)

    def _rank(self, arm: str) -> tuple[bool, bool, float, float, float, int, str]:
        choice = self._choices[arm]
        return choice.standing(choice.best).rank

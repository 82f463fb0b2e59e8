"""What a course of training is given."""

from typing import Any

import pytest

import dropattack
from dropattack import UsageError
from dropattack.integrations.course import Course


@pytest.mark.parametrize("given", ["sam", None, dropattack.method_named("sam")])
def test_what_is_no_method_is_refused(given: Any) -> None:
    with pytest.raises(UsageError, match="method must be a Method, such as"):
        Course(given)

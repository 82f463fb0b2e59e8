"""What every part of a sweep file keeps to: no unknown key, no later change, and no truth for a number."""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator


class Part(BaseModel):
    """A part of a sweep file as data.

    ``true`` is not read as the number 1, nor ``false`` as 0.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_is_a_number(cls, raw: Any) -> Any:
        for name, value in raw.items() if isinstance(raw, dict) else ():
            field = cls.model_fields.get(name)
            types = _plain_types(field.annotation) if field else []
            several = list(value.values()) if isinstance(value, dict) else value
            entries = several if isinstance(several, list) else [value]
            truth = next((entry for entry in entries if isinstance(entry, bool)), None)
            if truth is not None and bool not in types and (int in types or float in types):
                must = "hold numbers" if entries is several else "be a number"
                raise ValueError(f"{name} must {must}, not {str(truth).lower()}")
        return raw


def _plain_types(annotation: Any) -> list[Any]:
    """The types that an annotation is made of, without what holds them."""
    parts = get_args(annotation)
    return [each for part in parts for each in _plain_types(part)] if parts else [annotation]

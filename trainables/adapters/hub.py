"""Whether Hugging Face can be reached: asked once, since its libraries ask for half a minute."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dropattack.errors import first_line

_PATIENCE_SECONDS = 5.0
"""How long Hugging Face has for an answer."""


def why_unreached(name: str) -> str:
    """Why Hugging Face cannot be asked for a data set; empty where it answers, whatever it says.

    Args:
        name: The data set's name there.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi().dataset_info(name, timeout=_PATIENCE_SECONDS)
    except (HfHubHTTPError, ValueError):  # it answers, or the name is none
        return ""
    except Exception as error:  # of the library that it connects with, too
        return first_line(error)
    return ""


@contextmanager
def kept_off(datasets: Any) -> Iterator[None]:
    """Keeps ``datasets`` and ``huggingface_hub`` to what this machine has fetched before."""
    from huggingface_hub import constants

    places: tuple[Any, ...] = (constants, datasets.config)
    before = [place.HF_HUB_OFFLINE for place in places]
    for place in places:
        place.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for place, was in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = was

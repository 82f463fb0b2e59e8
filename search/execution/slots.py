"""How many trials a sweep runs side by side."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import ray

from search.definition.sweep import Resources
from search.engine.nodes import on_node

_LOOK_EVERY_SECONDS = 5.0


class Slots:
    """How many trials run side by side: the sweep's number, or as many as the cluster's living nodes hold.

    Nodes come and go while a sweep runs; they are looked up every few seconds.

    Args:
        resources: The resources of one trial.
        nodes: Returns the cluster's nodes, as `ray.nodes` does.
    """

    def __init__(
        self, resources: Resources, nodes: Callable[[], Iterable[Mapping[str, Any]]] = ray.nodes
    ) -> None:
        self._resources = resources
        self._nodes = nodes
        self._looked = -math.inf
        self._count = 1

    def count(self) -> int:
        """How many trials run side by side now, at least one."""
        if self._resources.concurrent is not None:
            return self._resources.concurrent
        if time.monotonic() - self._looked > _LOOK_EVERY_SECONDS:
            alive = [node["Resources"] for node in self._nodes() if node["Alive"]]
            self._count = max(1, sum(on_node(self._resources, node) for node in alive))
            self._looked = time.monotonic()
        return self._count

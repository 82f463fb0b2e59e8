"""Waits until all nodes of an allocation have joined its Ray cluster, so that the run checks each of them.

``python -m search.submission.joining ADDRESS NODES PID…``; exit status 1 where one of the processes, which
start the nodes, has ended.
"""

import logging
import os
import sys
import time
from collections.abc import Sequence

_LOOK_EVERY_SECONDS = 1.0


def wait_for_nodes(address: str, nodes: int, starting: Sequence[int]) -> str:
    """Waits until a cluster has a number of nodes.

    Args:
        address: The cluster's, ``host:port``.
        nodes: How many it must have.
        starting: The processes that start them, and live as long as the nodes.

    Returns:
        What went wrong, or nothing.
    """
    import ray

    while all(map(_lives, starting)):
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, ignore_reinit_error=True)
            if sum(node["Alive"] for node in ray.nodes()) >= nodes:
                return ""
        except (ConnectionError, RuntimeError, ray.exceptions.RayError):
            pass  # not there yet
        time.sleep(_LOOK_EVERY_SECONDS)
    return f"Ray did not start on all of the {nodes} nodes; see in its output why"


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    problem = wait_for_nodes(sys.argv[1], int(sys.argv[2]), [int(word) for word in sys.argv[3:]])
    if problem:
        sys.exit(f"dropattack: {problem}")

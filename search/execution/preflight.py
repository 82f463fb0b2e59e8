"""What is looked at on a cluster before the first trial starts, so that nothing fails in the middle."""

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dropattack import UsageError
from search.definition.sweep import Resources, Sweep
from search.engine.datasets import DataOptions, data_options
from search.engine.nodes import fits, gpu_problem, too_much
from search.engine.proposers import Checksum
from trainables.workloads import workload_named

_PATIENCE_SECONDS = 120.0


def check_cluster(sweep: Sweep, store: Path, data: Path, checksum: Checksum) -> None:
    """Checks that every node that trials can run on can run them. Ray must be connected.

    Args:
        sweep: What will run.
        store: The store's root; must be there.
        data: The data root.
        checksum: Gives the digest of a workload's data as this process sees them.

    Raises:
        UsageError: No node has the resources of one trial, or a node lacks the store or data, or cannot use
            its GPUs.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    able = [node for node in nodes if fits(sweep.resources, node["Resources"])]
    if not able:
        raise UsageError(too_much(sweep.resources, [node["Resources"] for node in nodes]))
    if len(nodes) > 1 or sweep.resources.gpus:
        wanted = [(options, checksum(*options)) for options in data_options(sweep)]
        _check_nodes(able, store.resolve(), data.resolve(), wanted, sweep.resources)


def _check_nodes(
    nodes: Sequence[Mapping[str, Any]],
    store: Path,
    data: Path,
    wanted: Sequence[tuple[DataOptions, str]],
    resources: Resources,
) -> None:
    token = secrets.token_hex(8)
    probe = store / f".probe-{token}"
    probe.write_text(token, encoding="utf-8")
    ask = ray.remote(num_cpus=0, max_retries=0)(node_problem)
    answers = []
    for node in nodes:
        pinned = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        answers.append(ask.options(scheduling_strategy=pinned).remote(probe, token, data, wanted, resources))
    try:
        for node, answer in zip(nodes, answers, strict=True):
            try:
                problem = ray.get(answer, timeout=_PATIENCE_SECONDS)
            except ray.exceptions.GetTimeoutError:
                problem = f"does not answer within {_PATIENCE_SECONDS:.0f} s"
            except ray.exceptions.RayError as error:
                problem = f"cannot run this program: {str(error).strip().splitlines()[-1]}"
            if problem:
                raise UsageError(
                    f"node {node['NodeManagerAddress']} ({node['NodeManagerHostname']}) {problem}"
                )
    finally:
        probe.unlink()


def node_problem(
    probe: Path,
    token: str,
    data: Path,
    wanted: Sequence[tuple[DataOptions, str]],
    resources: Resources,
) -> str:
    """What keeps this machine from running trials, as the end of a sentence; nothing where all is well.

    Args:
        probe: A file that the driver has written into the store.
        token: What it holds.
        data: The data root.
        wanted: The digests of the data as the driver found them.
        resources: What one trial occupies.
    """
    if problem := gpu_problem(resources):
        return f"cannot train on its GPUs: {problem}"
    try:
        shared = probe.read_text(encoding="utf-8") == token
    except OSError:
        shared = False
    if not shared:
        return (
            f"does not see the store {probe.parent}; "
            "with several nodes, --store must be a folder that all of them share"
        )
    if not os.access(probe.parent, os.W_OK):
        return f"cannot write to the store {probe.parent}; check its permissions there"
    for (workload, options), digest in wanted:
        try:
            found = workload_named(workload).checksum(data, options)
        except UsageError as error:
            return f"lacks data: {error}"
        if found != digest:
            return f"has other data for {workload} in {data} than the driver's node; copy them from there"
    return ""

"""Checks a cluster's nodes before the first trial starts, so that nothing fails in the middle."""

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
from trainables.disk import write_atomically
from trainables.remote.files import fetch, local_folder, remove, send_unseen, shared_name
from trainables.workloads import workload_named

_PATIENCE_SECONDS = 120.0


def check_cluster(sweep: Sweep, store: Path, data: Path, checksum: Checksum) -> None:
    """Checks that each node with room for a trial can run one. Ray must be connected.

    Args:
        sweep: What will run.
        store: The store's root, which must exist.
        data: The data root.
        checksum: Returns the digest of a workload's data as this process sees them.

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
        _check_nodes(able, store, data.resolve(), wanted, sweep.resources)


def _check_nodes(
    nodes: Sequence[Mapping[str, Any]],
    store: Path,
    data: Path,
    wanted: Sequence[tuple[DataOptions, str]],
    resources: Resources,
) -> None:
    token = secrets.token_hex(8)
    probe = store / f".probe-{token}"
    write_atomically(probe, token.encode())
    send_unseen(probe)
    ask = ray.remote(num_cpus=0, max_retries=0)(node_problem)
    answers = []
    for node in nodes:
        pinned = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        answers.append(
            ask.options(scheduling_strategy=pinned).remote(shared_name(probe), token, data, wanted, resources)
        )
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
        remove(probe)


def node_problem(
    probe: str,
    token: str,
    data: Path,
    wanted: Sequence[tuple[DataOptions, str]],
    resources: Resources,
) -> str:
    """What keeps this machine from running trials, as the end of a sentence; empty if nothing does.

    Args:
        probe: A file that the driver wrote into the store; see `shared_name`.
        token: The content of that file.
        data: The data root.
        wanted: The digests of the data as the driver found them.
        resources: The resources of one trial.
    """
    if problem := gpu_problem(resources):
        return f"cannot train on its GPUs: {problem}"
    if problem := _store_problem(probe, token):
        return problem
    for (workload, options), digest in wanted:
        try:
            found = workload_named(workload).checksum(data, options)
        except UsageError as error:
            return f"lacks data: {error}"
        if found != digest:
            return f"has other data for {workload} in {data} than the driver's node; copy them from there"
    return ""


def _store_problem(probe: str, token: str) -> str:
    """What keeps this machine from using the store, as the end of a sentence; empty if nothing does."""
    store = probe.rpartition("/")[0].rstrip("/")
    try:
        path = fetch(local_folder(probe))
        if path.read_text(encoding="utf-8") != token:
            raise FileNotFoundError
        send_unseen(path)
    except UsageError as error:
        return f"cannot use the store: {error}"
    except OSError:
        return (
            f"does not see the store {store}; with several nodes, --store must be a folder that all of them "
            "share, or an address such as s3://BUCKET/PREFIX"
        )
    if not os.access(path.parent, os.W_OK):
        return f"cannot write to the store {store}; check its permissions there"
    return ""

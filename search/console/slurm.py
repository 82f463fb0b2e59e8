"""``dropattack slurm``: a sweep as a job of SLURM."""

from pathlib import Path
from typing import Annotated

import typer

from search.console.command import refusals
from search.console.options import DATA, STORE, ScaleOption, SetOption, SweepName


def slurm(
    sweep: SweepName,
    time: Annotated[
        str, typer.Option(help="Time limit of each turn of the job, as sbatch takes it: 8:00:00, 1-12.")
    ],
    nodes: Annotated[int, typer.Option(help="Nodes.")] = 1,
    gpus_per_node: Annotated[int, typer.Option(help="GPUs of each node.")] = 0,
    cpus_per_task: Annotated[int, typer.Option(help="CPUs of each node; whole nodes by default.")] = 0,
    mem: Annotated[str, typer.Option(help="Memory of each node, such as 64G.")] = "",
    partition: Annotated[str, typer.Option(help="Partition.")] = "",
    account: Annotated[str, typer.Option(help="Account that is charged.")] = "",
    setup: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE", help="Shell to run first on every node, such as 'module load cuda'."),
    ] = None,
    python: Annotated[
        str, typer.Option(help="How to start Python there; by default this one, or python after --setup.")
    ] = "",
    sbatch: Annotated[
        list[str] | None,
        typer.Option(metavar="OPTION", help="Another option for sbatch, such as --sbatch=--qos=high."),
    ] = None,
    grace: Annotated[
        int, typer.Option(help="Seconds before the time limit at which trials are saved.")
    ] = 300,
    store: Annotated[str, typer.Option(envvar="DROPATTACK_STORE", help="Store that all nodes share.")] = str(
        STORE
    ),
    data: Annotated[str, typer.Option(envvar="DROPATTACK_DATA", help="Root folder of datasets.")] = str(DATA),
    overrides: SetOption = None,
    scale: ScaleOption = "",
    tracking_uri: Annotated[
        str, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server as the nodes see it.")
    ] = "",
    submit: Annotated[
        bool, typer.Option("--submit", help="Submit the script with sbatch instead of printing it.")
    ] = False,
) -> None:
    """Print, or submit, an sbatch script that runs a sweep, turn after turn, until it is done."""
    with refusals():
        import shlex
        import sys

        from search.definition.overriding import parse_override
        from search.definition.sweepfile import load_sweep
        from search.submission import slurm as job
        from search.submission.command import check_open, run_words

        definition = load_sweep(sweep, dict(map(parse_override, overrides or [])), scale)
        allocation = job.Allocation(
            nodes=nodes,
            time=time,
            gpus_per_node=gpus_per_node,
            cpus_per_node=cpus_per_task,
            mem=mem,
            partition=partition,
            account=account,
            more=sbatch or (),
            grace=grace,
        )
        job.check_fits(definition, allocation)
        check_open(tracking_uri, overrides or [])
        run = run_words(
            str(Path(sweep).resolve()) if Path(sweep).is_file() else sweep,
            job.shared_folder("--store", store),
            job.shared_folder("--data", data),
            tracking_uri,
            overrides or [],
            scale,
        )
        started = shlex.split(python) if python else ["python"] if setup else [sys.executable]
        script = job.sbatch_script(definition, allocation, run, Path.cwd(), started, setup or ())
        print(job.submit(script) if submit else script, end="\n" if submit else "")

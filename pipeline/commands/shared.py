"""What verbs share: their common arguments, being a job, and how they answer."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import HilumError
from pipeline.jobs import JobStore, Reporter

if TYPE_CHECKING:
    from pipeline.cluster.place import Cluster

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Run = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, the beginning of it, its name, or `demo`.")
]
Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="INPUT...", help="Slices, volumes (DICOM, NIfTI), folders, ZIP archives."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The data set's name.")]
Address = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        envvar="HILUM_CLUSTER",
        help="Train by several processes: local, auto or a Ray cluster's HOST:PORT.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Of --cluster: processes; default: one a GPU, else one a machine."),
]
ReadAddress = Annotated[
    str | None,
    typer.Option(
        "--cluster", metavar="ADDRESS", help="Spread it over a cluster: local, auto or Ray's HOST:PORT."
    ),
]
ReadWorkers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Of --cluster: processes; default: one a core.")
]


class UsageError(HilumError):
    """The request itself is wrong: a combination of options that means nothing."""


@contextlib.contextmanager
def job_of(context: typer.Context, kind: str, *, title: str) -> Iterator[Reporter]:
    """Be a job while the block runs."""
    with JobStore(context.obj).reporting(kind, sys.argv[1:], title) as reporter:
        yield reporter


def chosen_cluster(
    address: str | None, workers: int | None, *, libraries: tuple[str, ...] = ("ray", "jax")
) -> Cluster | None:
    """Return where to work; None is this process.

    Raises:
        UsageError: workers without a cluster.
        ClusterMissingError: one of the libraries is not installed.
    """
    from pipeline.cluster.place import Cluster, require_libraries

    if not address:
        if workers is not None:
            raise UsageError("--workers is for a cluster: say which, for example `--cluster local`.")
        return None
    require_libraries(*libraries)
    return Cluster(address, workers)


def complain(sentence: str) -> None:
    """Say what went wrong beside the answer."""
    sys.stderr.write(f"{sentence}\n")


def answer(value: Any, as_json: bool, as_text: Any) -> None:
    """Print the one answer of a verb."""
    typer.echo(
        json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) if as_json else as_text(value)
    )

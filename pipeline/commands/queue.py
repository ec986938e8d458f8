"""Verbs about long work and its queue: jobs, queue."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline import console
from pipeline.commands.shared import Json, UsageError, answer
from pipeline.jobs import DIRECTIONS, JobStore

app = typer.Typer()
queue = typer.Typer(no_args_is_help=True, help="See and change what waits.")
app.add_typer(queue, name="queue")
Id = Annotated[str, typer.Argument(metavar="JOB", help="A job's id or the beginning of it (`jobs`).")]


@app.command()
def jobs(context: typer.Context, as_json: Json = False) -> None:
    """List long work, newest first."""
    found = [
        {"id": job.id, "kind": job.kind, "status": job.status, "done": job.done, "total": job.total,
         "title": job.title, "message": job.message, "run": job.run_id}
        for job in JobStore(context.obj).list()
    ]  # fmt: skip
    answer(found, as_json, console.table)


@queue.command("list")
def list_queue(context: typer.Context, as_json: Json = False) -> None:
    """List what waits, in the order in which it will start."""
    store = JobStore(context.obj)
    rows = [
        {"place": place, "id": job.id, "kind": job.kind, "title": job.title, "run": job.run_id}
        for place, job in enumerate(store.queue(), 1)
    ]
    answer({"at_once": store.at_once, "waiting": rows} if as_json else rows, as_json, console.table)


@queue.command()
def move(
    context: typer.Context, job: Id, where: Annotated[str, typer.Argument(metavar="up|down|first|last")]
) -> None:
    """Let a waiting job start sooner or later."""
    for direction in DIRECTIONS:
        if where == direction:
            JobStore(context.obj).move(job, direction)
            return
    raise UsageError(f"A job moves {', '.join(DIRECTIONS)}; {where!r} came.")


@queue.command()
def cancel(context: typer.Context, job: Id) -> None:
    """Take a waiting job out of the queue; ask a running one to stop."""
    store = JobStore(context.obj)
    store.stop(job)
    found = store.get(job)
    typer.echo(f"{found.title}: {'asked to stop' if found.status == 'running' else found.status}.")


@queue.command()
def at_once(
    context: typer.Context,
    count: Annotated[int, typer.Argument(metavar="N", help="1 where memory is short.")],
) -> None:
    """Set how many trainings of the queue run side by side."""
    JobStore(context.obj).set_at_once(count)


@queue.command()
def start(context: typer.Context) -> None:
    """Start what waits and may."""
    JobStore(context.obj).pump()

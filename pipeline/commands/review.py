"""The verb about readings: what was read, whether the record is whole, and a file of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.commands.shared import Json, answer

app = typer.Typer()


@app.command()
def readings(
    context: typer.Context,
    run: Annotated[
        str | None, typer.Option(help="Only those with this run's model: id, beginning of it, or name.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write them to this file, .csv or .json (with the audit).")
    ] = None,
    verify: Annotated[
        str | None, typer.Option(metavar="SEAL", help="A seal written down earlier: is it still there?")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what readers recorded and whether the record is whole; status 1 where it is not."""
    from pipeline.review.exporting import write_readings
    from pipeline.review.readings import load_readings
    from pipeline.review.store import ReviewStore
    from pipeline.runs import RunStore

    store = ReviewStore.of(context.obj)
    chain = store.verify_chain(expected_head=verify)
    found = load_readings(store, run=RunStore(context.obj).find(run).id if run else None)
    if out is not None:
        write_readings(context.obj, found, out)
    by_reader = found.groupby("reader", sort=True)["final_label"].agg(["size", "count"])
    document = {
        "readings": len(found),
        "readers": [
            {"reader": str(name), "readings": int(row["size"]), "finished": int(row["count"])}
            for name, row in by_reader.iterrows()
        ],
        "chain": chain.to_json(),
        "out": str(out) if out is not None else None,
    }
    answer(document, as_json, _text)
    if not chain.intact:
        raise typer.Exit(1)


def _text(document: dict[str, Any]) -> str:
    chain = document["chain"]
    lines = [
        f"{one['reader']}: {one['finished']:,} of {one['readings']:,} readings finished"
        for one in document["readers"]
    ]
    if chain["intact"]:
        lines.append(f"The chain is whole: {chain['rows']:,} entries, newest seal {chain['head']}.")
    else:
        lines.append(f"The chain is broken: {chain['problem']}")
    if chain["seal_row"] is not None:
        lines.append(f"The seal is that of entry {chain['seal_row']:,}: all up to it is as it was.")
    if document["out"]:
        lines.append(f"Written to {document['out']}")
    return "\n".join(lines)

"""The file of a batch: its columns, the parts that a kill leaves, and how they become one file."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pipeline.data.decode import identify
from pipeline.data.inputs import InputSlice
from pipeline.errors import HilumError
from pipeline.inference.engine import Engine
from pipeline.notice import NOTICE
from pipeline.workspace import atomic_file

SUFFIXES = (".parquet", ".csv")
_TEXT, _SHARE, _YES = pa.string(), pa.float32(), pa.bool_()


class BatchFileError(HilumError):
    """The file cannot be written as asked for."""


def schema(engine: Engine) -> pa.Schema:
    """Return the columns: those of the predictions table, then what `predict --json` says beside them."""
    columns = {name: _TEXT for name in ("slice_id", "patient_id", "group", "part", "y_true", "y_pred")}
    columns |= {f"logit_{name}": _SHARE for name in engine.classes}
    columns |= {f"probability_{name}": _SHARE for name in engine.classes}
    columns |= {"path": _TEXT, "frame": pa.int32(), "status": _TEXT, "reason": _TEXT, "label": _TEXT}
    columns |= {"rejected": _YES, "unlike": _YES, "distance": _SHARE, "little_lung": _YES}
    columns |= {"lung_share": _SHARE, "lungs_believed": _YES, "conformal_set": _TEXT, "abstains": _YES}
    columns |= {"seen": _TEXT, "calibrated": _YES, "series_uid": _TEXT, "slice_location": pa.float64()}
    columns |= {name: _TEXT for name in ("run", "model_sha256", "notice")}
    return pa.schema(columns, metadata={"notice": NOTICE})


class Parts:
    """The finished parts of a batch's file, beside it: each Parquet, whole, named after what it answers."""

    def __init__(self, target: Path, columns: pa.Schema) -> None:
        if target.suffix.lower() not in SUFFIXES:
            raise BatchFileError(
                f"{target.name} should end in .parquet or .csv: that says in which format it is written."
            )
        if target.is_dir():
            raise BatchFileError(f"{target} is a folder; name a file to write.")
        self.target = target
        self.folder = target.with_name(f"{target.name}.parts")
        self._columns = columns

    def begin(self, *, resume: bool) -> None:
        """Make the folder of the parts.

        Raises:
            BatchFileError: parts of an earlier batch lie there, and `resume` was not asked for.
        """
        if self.folder.is_dir() and any(self.folder.iterdir()) and not resume:
            raise BatchFileError(
                f"An unfinished batch lies in {self.folder}. Say --resume to go on with it, or delete that "
                "folder to begin anew."
            )
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, number: int, slices: Sequence[InputSlice], model_sha256: str) -> Path:
        """Return where a part lies: a part of another model, or of files that changed since, is another."""
        digest = hashlib.sha256(model_sha256.encode())
        for each in slices:
            digest.update(f"{each.shown}\0{each.frame}\0{identify(each.path)}\n".encode())
        return self.folder / f"{number:06d}-{digest.hexdigest()[:16]}.parquet"

    def write(self, path: Path, rows: Sequence[dict[str, Any]]) -> None:
        """Write a part, whole or not at all."""
        with atomic_file(path) as file:
            pa.parquet.write_table(pa.Table.from_pylist(list(rows), self._columns), file)

    def join(self, paths: Sequence[Path]) -> None:
        """Write the parts as one file, whole or not at all, a part in memory at a time; then remove them."""
        with atomic_file(self.target) as file:
            if self.target.suffix.lower() == ".csv":
                options = pa.csv.WriteOptions(quoting_style="needed")
                with pa.csv.CSVWriter(file, self._columns, write_options=options) as writer:
                    for table in self.tables(paths):
                        writer.write_table(_without_formulas(table))
            else:
                with pa.parquet.ParquetWriter(file, self._columns) as writer:
                    for table in self.tables(paths):
                        writer.write_table(table)
        shutil.rmtree(self.folder, ignore_errors=True)

    def tables(self, paths: Sequence[Path]) -> Iterator[pa.Table]:
        """Yield what each part holds."""
        for path in paths:
            yield pa.parquet.read_table(io.BytesIO(path.read_bytes()), schema=self._columns)


def _without_formulas(table: pa.Table) -> pa.Table:
    """Put an apostrophe before texts that a spreadsheet would take for a formula, such as a file's name."""
    for place, column in enumerate(table.schema):
        if column.type == _TEXT:
            texts = [
                f"'{text}" if text and text[0] in "=+-@\t\r" else text for text in table[place].to_pylist()
            ]
            table = table.set_column(place, column, pa.array(texts, _TEXT))
    return table

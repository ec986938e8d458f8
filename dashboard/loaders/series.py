"""Series on the Predict page: predicted in a thread of their own, kept by content and run.

Series of the workspace are shared between sessions. What somebody uploaded stays with that session: it lies
in a private folder of the workspace's scratch while the session looks at it, and goes with it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd
import psutil
import streamlit as st

from dashboard.loaders import pictures
from dashboard.loaders.predict import engine_stamp
from dashboard.loaders.shared import stamp, workspace
from pipeline.data.series import series_of
from pipeline.explanation.task import BackgroundTask
from pipeline.progress import Progress
from pipeline.runs import RunInfo
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.inference.case import Case, SeriesSlice
    from pipeline.inference.series import Series

_KEPT = 12  # answered series of the workspace; a session's own: a quarter of that
_SESSION, _SPOOL = "predict.series.works", "predict.series.spool"
_FOLDER = "series-"


class SeriesWork:
    """A series on its way through the model, in a thread of this process."""

    def __init__(self, run: RunInfo, series: Series, key: bytes) -> None:
        self.series = series
        self.answers: list[SeriesSlice] = []
        self._run, self._key = run, key
        self._task: BackgroundTask[None] = BackgroundTask(self._work)

    @property
    def total(self) -> int:
        """How many slices the series has."""
        return len(self.series.slices)

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._task.done

    @property
    def stopped(self) -> bool:
        """Whether it was given up before its end."""
        return self._task.cancelled and len(self.answers) < self.total

    def stop(self) -> None:
        """Give it up after the slice at hand."""
        self._task.cancel()

    def check(self) -> None:
        """Raise what went wrong, once it is done; nothing where it went well or was given up.

        Raises:
            EngineMissingError, EngineDamagedError, RecipeGoneError: there is nothing to predict with.
        """
        if not self._task.cancelled:
            self._task.result()

    @cached_property
    def case(self) -> Case:
        """What the slices say together, once they are there."""
        from pipeline.inference.case import judge_case

        return judge_case(self.series.name, self.answers, synthetic=self._run.synthetic)

    def _work(self, progress: Progress) -> None:
        from pipeline.inference.engine import Engine
        from pipeline.inference.seen import SeenSlices
        from pipeline.inference.series import predict_series

        engine, seen = Engine.load(self._run), SeenSlices.load(self._run.artifacts)
        for each in predict_series(engine, self.series, key=self._key, seen=seen):
            self.answers.append(each)
            progress(len(self.answers), self.total)


@dataclass(frozen=True)
class SeriesChoice:
    """A series that a data set offers: one of its slices, and what to call it."""

    slice_id: str
    words: str


class UploadedFile(Protocol):
    """What of Streamlit's uploads is used."""

    file_id: str
    name: str

    def getbuffer(self) -> memoryview:
        """Return its bytes."""


def list_series(dataset: str) -> list[SeriesChoice]:
    """Return the series of two slices and more in a data set, in the order of their names."""
    mark = stamp(workspace().dataset_dir(dataset) / "index.parquet")
    return _list_series(str(workspace().root), dataset, mark)


def rows_of(dataset: str, slice_id: str) -> pd.DataFrame:
    """Return a slice's series as rows of the index, from the head down."""
    return series_of(pictures.index_of(dataset).reset_index(), slice_id)


def of_dataset(run: RunInfo, dataset: str, rows: pd.DataFrame) -> SeriesWork:
    """Return a data set's series on its way through the model, or through it."""
    from pipeline.inference.series import series_of_rows

    digest = hashlib.sha256(dataset.encode())
    for value in rows[["slice_id", "content_hash", "mtime_ns"]].itertuples(index=False):
        digest.update(repr(tuple(value)).encode())
    series = series_of_rows(workspace(), dataset, rows)
    return _work(_shared(), _KEPT, run, series, digest.hexdigest())


def of_upload(run: RunInfo, series: Series, digest: str) -> SeriesWork:
    """Return an uploaded series on its way through the model, or through it."""
    works = st.session_state.setdefault(_SESSION, OrderedDict())
    return _work(works, _KEPT // 4, run, series, f"{digest}/{series.name}")


def forget(work: SeriesWork) -> None:
    """Forget a series' answers, so that it is predicted anew when it is next asked for."""
    for works in (_shared(), st.session_state.get(_SESSION, {})):
        for key in [key for key, kept in works.items() if kept is work]:
            del works[key]


class Spool:
    """Uploaded files where the readers of archives and volumes find them: in a folder that goes with this."""

    def __init__(self, home: Workspace, files: Sequence[UploadedFile]) -> None:
        from pipeline.inference.series import gather_series

        self.ids = tuple(file.file_id for file in files)
        sweep(home)
        folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-", dir=home.scratch))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)  # at the process's end too
        digest = hashlib.sha256()
        for number, file in enumerate(files):
            digest.update(file.getbuffer())
            (folder / _file_name(folder, file.name, number)).write_bytes(file.getbuffer())
        self.digest = digest.hexdigest()
        self.series = gather_series(_slices_in(folder, len(files)))


def spooled(files: Sequence[UploadedFile]) -> Spool:
    """Return this session's uploads as series; they are laid down once."""
    kept: Spool | None = st.session_state.get(_SPOOL)
    if kept is None or kept.ids != tuple(file.file_id for file in files):
        st.session_state.pop(_SPOOL, None)
        kept = st.session_state[_SPOOL] = Spool(workspace(), files)
    return kept


def sweep(home: Workspace) -> None:
    """Remove what dashboards that were killed left in the scratch folder."""
    for folder in home.scratch.glob(f"{_FOLDER}*"):
        owner = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _slices_in(folder: Path, count: int) -> list[Any]:
    from pipeline.data.inputs import expand_inputs

    inputs = [folder] if count > 1 else sorted(folder.iterdir())
    return [each for slices in expand_inputs(inputs) for each in slices]


def _file_name(folder: Path, name: str, number: int) -> str:
    """Return what a file is called in the spool: its own name, if that is free and can be one."""
    wanted = PurePath(name.replace("\\", "/")).name.lstrip(".")[-100:] or "slice"
    return f"{number}-{wanted}" if (folder / wanted).exists() else wanted


def _work(
    works: OrderedDict[Any, SeriesWork], most: int, run: RunInfo, series: Series, digest: str
) -> SeriesWork:
    key = (run.id, engine_stamp(run), digest)
    with _LOCK:
        if key not in works:
            works[key] = SeriesWork(run, series, workspace().pseudonym_key())
        works.move_to_end(key)
        while len(works) > most:
            works.popitem(last=False)[1].stop()
        return works[key]


_LOCK = threading.Lock()


@st.cache_resource(show_spinner=False)
def _shared() -> OrderedDict[Any, SeriesWork]:
    return OrderedDict()


@st.cache_data(show_spinner=False, max_entries=4)
def _list_series(root: str, dataset: str, mark: float) -> list[SeriesChoice]:
    rows = pictures.index_of(dataset).reset_index()
    rows = rows[rows["status"] == "ok"]
    names = rows["series_uid"].where(rows["series_uid"].notna(), rows["path"])
    found = []
    for _, group in rows.groupby(names.to_numpy(), sort=False):
        if len(group) > 1:
            found.append((str(group["path"].iloc[0]), _choice(group)))
    return [choice for _, choice in sorted(found, key=lambda each: each[0])]


def _choice(group: pd.DataFrame) -> SeriesChoice:
    path, patient = str(group["path"].iloc[0]), group["patient_id"].iloc[0]
    place = path if group["path"].nunique() == 1 else path.rpartition("/")[0] or "the folder itself"
    whose = f"patient {patient}, " if isinstance(patient, str) and patient else ""
    return SeriesChoice(str(group["slice_id"].iloc[0]), f"{whose}{len(group)} slices ({place})")

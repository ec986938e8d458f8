"""Where everything of a user lies: one folder of plain files, safe to read while others write.

    workspace.json        format number
    secret.key            key of the patient pseudonyms; goes nowhere but to a private cluster's workers
    datasets/NAME/        index, splits, thumbnails, audit of one data set
    recipes/              named preprocessing recipes
    cache/                preprocessed slices, memory-mapped
    jobs/                 jobs.db and one log a job
    runs/                 MLflow's store: mlflow.db and artifacts/
    reviews/reviews.db    readings
    scratch/              uploads and other files that may vanish

Several processes (dashboard, jobs, shells) work on one workspace: every write is to a temporary file that is
synced and renamed, so a reader sees the old file or the new one, never half of one.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pandas as pd

from pipeline.errors import HilumError
from pipeline.storage import WorkspaceUnwritableError, refusal

FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FOLDERS = ("datasets", "recipes", "cache", "jobs/logs", "runs/artifacts", "reviews", "scratch")


class InvalidNameError(HilumError):
    """A name that cannot be a folder's name."""


class WorkspaceFormatError(HilumError):
    """The folder was written by a newer Hilum, or is not a workspace."""


def checked_name(name: str) -> str:
    """Return `name` if it can name a data set, split, recipe or run.

    Raises:
        InvalidNameError: it has other characters than letters, digits, `.`, `_`, `-`, or is too long.
    """
    if not _NAME.fullmatch(name):
        raise InvalidNameError(
            f"The name {name!r} cannot be used: take 1 to 64 letters, digits, '.', '_' or '-', "
            "beginning with a letter or digit."
        )
    return name


@dataclass(frozen=True)
class Workspace:
    """One user's folder. Make it with `Workspace.open`."""

    root: Path

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> Workspace:
        """Open the workspace at `path`, else at HILUM_WORKSPACE, else at ./workspace; make it if need be.

        Raises:
            WorkspaceFormatError: a newer Hilum wrote it.
            WorkspaceUnwritableError: it cannot be made.
        """
        root = Path(path or os.environ.get("HILUM_WORKSPACE") or "workspace").expanduser().absolute()
        workspace = cls(root)
        try:
            for folder in _FOLDERS:
                (root / folder).mkdir(parents=True, exist_ok=True)
            workspace._check_format()
            workspace._check_writable()
        except OSError as error:
            raise WorkspaceUnwritableError(
                f"The workspace {root} cannot be written ({error.strerror}). Name another folder with "
                "--workspace or HILUM_WORKSPACE."
            ) from error
        return workspace

    def _check_format(self) -> None:
        marker = self.root / "workspace.json"
        if not marker.exists():
            atomic_write_json(marker, {"format": FORMAT})
        try:
            found = read_json(marker)["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise WorkspaceFormatError(
                f'{marker} is damaged: it should hold {{"format": {FORMAT}}}. Restore it from a backup, or '
                "name another folder with --workspace or HILUM_WORKSPACE."
            ) from error
        if found != FORMAT:
            raise WorkspaceFormatError(
                f"The workspace {self.root} has format {found}, and this Hilum knows format {FORMAT}. "
                "Use the Hilum that wrote it, or another folder."
            )

    def _check_writable(self) -> None:
        """Refuse a read-only folder at once: even reading it writes to SQLite's journals."""
        for folder in (self.root, self.jobs_db.parent, self.runs, *(self.root / name for name in _FOLDERS)):
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "it is read-only", str(folder))

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def recipes(self) -> Path:
        return self.root / "recipes"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def jobs_db(self) -> Path:
        return self.root / "jobs" / "jobs.db"

    @property
    def job_logs(self) -> Path:
        return self.root / "jobs" / "logs"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def reviews_db(self) -> Path:
        return self.root / "reviews" / "reviews.db"

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"

    def dataset_dir(self, name: str) -> Path:
        """Return the folder of data set `name`, which need not exist."""
        return self.datasets / checked_name(name)

    def pseudonym_key(self) -> bytes:
        """Return the 32-byte key that turns identifiers from DICOM headers into pseudonyms; made once."""
        path = self.root / "secret.key"
        if not path.exists():
            # Written whole before it gets its name, and never over another: of two processes that come
            # here at once, the first one's key stays.
            descriptor, temporary = tempfile.mkstemp(dir=self.root, prefix=".secret-")
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, path)
            except FileExistsError:
                pass
            finally:
                os.unlink(temporary)
        return path.read_bytes()


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that takes the name `path`, whole and synced, when the block ends without error.

    Raises:
        WorkspaceUnwritableError: the disk is full or the folder cannot be written. The old file stays.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}-")
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise refusal(error, path) or error from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic_file(path) as file:
        file.write(data)


def atomic_write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    atomic_write_bytes(path, text.encode("utf-8"))


def atomic_write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all. NaN is refused."""
    atomic_write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def atomic_write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write `table` as Parquet to `path`, whole or not at all."""
    with atomic_file(path) as file:
        table.to_parquet(file, index=False)


def read_json(path: Path) -> Any:
    """Read the JSON document at `path`."""
    return json.loads(path.read_text(encoding="utf-8"))

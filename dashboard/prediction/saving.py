"""Taking an answer along: a menu of files. One is made when somebody chooses it, and kept while it is wanted.

Not by a download button that makes its file when it is clicked: Streamlit forgets such a file once any part
of the page was drawn twice, maybe before the browser has fetched it; and a failure could not be told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from pathlib import Path, PurePath

import streamlit as st

from dashboard import loaders, widgets
from dashboard.loaders import pictures
from dashboard.prediction.evidence import evidence_of
from dashboard.prediction.files import FILES, Wish
from dashboard.prediction.maps import Shown
from dashboard.prediction.opinion import is_overridden
from dashboard.prediction.source import Asked
from pipeline.console import size_text
from pipeline.explanation.methods import DEFAULT
from pipeline.runs import RunInfo

_KIND, _PIXELS, _IDENTIFIERS = "predict.save", "predict.save.pixels", "predict.save.identifiers"
_MADE = "predict.saved"


def draw_saving(run: RunInfo, asked: Asked, shown: Shown | None) -> None:
    """Draw the menu; nothing is made before a kind of file is chosen."""
    kinds = [name for name, file in FILES.items() if shown is not None or not file.needs_answer]
    with st.popover("Save", icon=":material/download:", key="predict-saving", width="stretch"):
        kind = st.pills("What to take along", kinds, key=_KIND, format_func=lambda name: FILES[name].title)
        if kind is None:
            st.caption("Each is made when you choose it. Every one carries the research notice.")
            return
        st.caption(FILES[kind].summary)
        with widgets.guarded("The file could not be made."):
            label = shown.label if shown is not None else None
            wish = Wish(run, asked.prediction, asked.name, label, is_overridden(run, asked))
            card = evidence_of(run, asked).finished_card((DEFAULT, label)) if shown is not None else None
            wish = _options(kind, wish.changed(card=card), asked)
            _draw_download(kind, wish, asked)


def _options(kind: str, wish: Wish, asked: Asked) -> Wish:
    """Draw what can be decided about a kind of file, and return the wish with it."""
    if kind == "bundle":
        pixels = st.toggle("With the slice's pixels (they may identify the patient)", key=_PIXELS)
        return wish.changed(pixels=pixels)
    if kind == "dicom" and wish.prediction.image.format == "dicom":
        keep = st.toggle(
            "With the slice's own patient and study, for the hospital's archive", key=_IDENTIFIERS
        )
        return wish.changed(identity=_identity(asked) if keep else None)
    return wish


def _draw_download(kind: str, wish: Wish, asked: Asked) -> None:
    file = FILES[kind]
    key = (asked.subject, kind, *wish.key)
    kept: tuple[Hashable, bytes] | None = st.session_state.get(_MADE)
    if kept is None or kept[0] != key:
        with st.spinner("Making it"):
            kept = st.session_state[_MADE] = (key, file.make(wish))
    name = f"{PurePath(asked.name.split(',')[0]).stem}{file.ending}"
    st.download_button(
        f"{file.title}, {size_text(len(kept[1]))}", kept[1], file_name=name, mime=file.mime, type="primary",
        icon=":material/download:", on_click="ignore", key="predict-download", width="stretch",
    )  # fmt: skip


def _identity(asked: Asked) -> dict[str, str]:
    """Return the identifiers of the slice's own file.

    Raises:
        SliceError: it cannot be read any more.
    """
    from pipeline.data.identity import read_identity

    return read_identity(_file(asked))


def _file(asked: Asked) -> Path | bytes:
    """Return where the slice's file lies, or an upload's bytes."""
    from pipeline.data.datasets import slice_path
    from pipeline.data.slice_image import SliceError

    if asked.slice_id is not None:
        dataset = asked.subject.split("/")[0]
        path = str(pictures.index_of(dataset).loc[asked.slice_id, "path"])
        return slice_path(loaders.workspace(), dataset, {"path": path})
    if asked.file is not None:
        return asked.file
    file = st.session_state.get("predict.file")
    data = file.getvalue() if file is not None else b""
    if hashlib.sha256(data).hexdigest() != asked.subject.split("/")[0]:
        raise SliceError("missing-file", "The slice's own file is not at hand any more: bring it again.")
    return bytes(data)

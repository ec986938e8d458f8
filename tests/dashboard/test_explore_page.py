"""The Explore page: the figures on top, each tab, bringing data in, and what it says when there is none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.charts.explore import (
    balance_figure,
    intensity_figure,
    kinds_figure,
    lungs_figure,
    parts_figure,
    patients_figure,
)
from dashboard.exploring.bringing import AddingError, submit_index
from dashboard.exploring.overview import means_text
from dashboard.exploring.selecting import Filters, Lasso, place_of, row_of, select_rows, statistics_of
from pipeline.data.audit import audit_dataset
from pipeline.data.clusters import keep_clusters, keep_pairs, load_pairs
from pipeline.data.duplicates import DuplicatePairs, cluster_pairs
from pipeline.data.index import build_index, load_index
from pipeline.data.overview import Bands, LungProfile
from pipeline.data.splits import list_splits, make_split
from pipeline.jobs import JobStore
from pipeline.workspace import InvalidNameError, Workspace
from tests.dashboard.conftest import html_of, widget

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"


def write_slices(folder: Path, *, patients: bool = True, sources: bool = False) -> Path:
    """Write 24 slices of twelve patients in two classes, and a text file among them."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(24):
        path = Path(("pCT", "nCT")[number % 2]) / f"{number}.png"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / path), rng.integers(0, 255, (64, 64), dtype=np.uint8))
        rows.append({"path": str(path), "label": path.parts[0], "patient_id": f"p{number // 2}"})
        if sources:
            rows[-1] |= {"source": "far" if number < 8 else "near", "scanner": f"s{number // 6}"}
    if patients:
        pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    (folder / "nCT" / "note.txt").write_text("not a slice")
    return folder


@pytest.fixture
def own(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The dashboard's workspace; jobs are queued and never started."""
    monkeypatch.setenv("HILUM_WORKSPACE", str(workspace.root))
    monkeypatch.setattr(JobStore, "pump", lambda self: None)
    return workspace


@pytest.fixture
def indexed(own: Workspace, tmp_path: Path) -> Workspace:
    build_index(own, write_slices(tmp_path / "small"), name="small")
    return own


def page(tab: str = "Overview", **query: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.session_state["explore.tab"] = tab
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def test_without_data_the_page_says_how_to_bring_some(own: Workspace) -> None:
    app = page()
    assert not app.error
    assert "No data set yet" in html_of(app)
    assert any(button.key == "add-data" for button in app.button)


def test_the_figures_on_top_say_what_is_there(indexed: Workspace) -> None:
    app = page()
    text = html_of(app)
    assert not app.error
    for words in (
        "24",
        "every slice has an id",
        "imbalance 1.0 : 1",
        "mostly: not an image",
        "not audited yet",
    ):
        assert words in text
    assert "average positive slice" in text


def test_the_tile_and_the_choice_of_copies_count_no_neighbours(own: Workspace, tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "small")
    (folder / "nCT" / "again.png").write_bytes((folder / "nCT" / "1.png").read_bytes())
    build_index(own, folder, name="small")
    table = load_index(own, "small")
    pairs, at = load_pairs(own, "small"), list(table["path"]).index("nCT/3.png")
    assert pairs.exact.sum() == len(pairs.first) == 1
    both = {name: np.append(values, values[:1]) for name, values in vars(pairs).items()}
    both |= {"exact": np.array([True, False]), "neighbours": np.array([False, True])}
    beside = DuplicatePairs(**both | {"second": np.array([pairs.second[0], at])})
    keep_pairs(own, "small", beside)
    keep_clusters(own, "small", cluster_pairs(table, beside))
    assert "in 1 group; 1 neighbour more" in html_of(page())
    app = page("Slices")
    widget(app, "selectbox", "explore.quality").select("Copies").run()
    assert "2 slices of 26" in html_of(app)


def test_many_classes_are_said_to_be_there_to_scroll_to() -> None:
    assert means_text(3) == "below it: where slices differ"
    assert means_text(8).endswith("; all 8, scroll sideways")
    assert means_text(20).endswith("; the first 12 of 20, scroll sideways")


def test_unknown_patients_are_called_unknown(own: Workspace, tmp_path: Path) -> None:
    build_index(own, write_slices(tmp_path / "plain", patients=False), name="plain")
    assert "unknown" in html_of(page())


@pytest.mark.parametrize("tab", ["Overview", "Slices", "Findings", "Split"])
def test_every_tab_stands_for_odd_data_too(own: Workspace, tmp_path: Path, tab: str) -> None:
    """No labels at all; nothing readable; a single slice."""
    slices = write_slices(tmp_path / "odd", patients=False)
    loose, single = tmp_path / "loose", tmp_path / "single" / "pCT"
    loose.mkdir()
    single.mkdir(parents=True)
    (slices / "pCT" / "0.png").rename(loose / "0.png")
    (slices / "pCT" / "2.png").rename(single / "2.png")
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("text")
    for folder in (loose, single.parent, texts):
        build_index(own, folder, name=folder.name)
        app = page(tab, dataset=folder.name)
        for error in app.error:
            assert "reference" not in error.value, f"{folder.name}: {error.value}"


def test_a_link_to_a_slice_opens_it_with_its_facts(indexed: Workspace) -> None:
    table = load_index(indexed, "small")
    row = table[table["path"] == "pCT/4.png"].iloc[0]
    app = page("Slices", slice=row["slice_id"])
    text = html_of(app)
    assert not app.error
    assert "pCT/4.png" in text and "64 x 64 pixels" in text and "p2" in text


def test_filters_narrow_the_gallery(indexed: Workspace) -> None:
    app = page("Slices")
    assert "24 slices" in html_of(app)
    widget(app, "text_input", "explore.text").input("p3").run()
    assert "2 slices" in html_of(app)
    widget(app, "text_input", "explore.text").input("nowhere").run()
    assert "No slice passes these filters" in html_of(app)
    widget(app, "text_input", "explore.text").input("")
    widget(app, "selectbox", "explore.quality").select("Unreadable").run()
    assert "1 slice of 25<" in html_of(app)
    assert "This is not an image" in html_of(app)


@pytest.fixture
def index() -> pd.DataFrame:
    """Four slices in the order of paths: a copy of another, one without a label, one unreadable."""
    return pd.DataFrame(
        {
            "slice_id": list("abcd"),
            "path": ["a", "b", "c", "d"],
            "frame": 0,
            "status": ["ok", "ok", "corrupt", "ok"],
            "label": ["negative", "positive", "positive", None],
            "cluster": ["x", "x", "z", "y"],
            "copies": [1, 1, 0, 0],
            "alike": [1, 1, 0, 0],
            "part": None,
            "format": "png",
            "source": [None, "s", None, None],
            "patient_id": ["P1", None, None, None],
            "sharpness": [9.0, 3.0, None, None],
            "entropy": [1.0, 5.0, None, 5.0],
        }
    )


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        (Filters(), [0, 1, 3]),
        (Filters(descending=True), [3, 1, 0]),
        (Filters(sort="Sharpness"), [1, 0, 3]),
        (Filters(sort="Sharpness", descending=True), [0, 1, 3]),
        (Filters(sort="Entropy", descending=True), [1, 3, 0]),
        (Filters(quality="All", labels=("positive",)), [1, 2]),
        (Filters(quality="Unreadable"), [2]),
        (Filters(quality="Copies"), [0, 1]),
        (Filters(text="p1"), [0]),
        (Filters(values=(("source", "s"), ("format", "png"))), [1]),
        (Filters(finding="Blurred", ids=("d", "a")), [0, 3]),
        (Filters(lasso=Lasso("Sharpness", "Entropy", ((0, 4), (8, 4), (8, 6), (0, 6)))), [1]),
        (Filters(labels=("positive",), lasso=Lasso("Entropy", "Entropy", ((0, 0), (0, 2), (2, 2)))), []),
    ],
)
def test_filters_keep_what_passes_all_of_them_and_the_unknown_is_sorted_last(
    index: pd.DataFrame, filters: Filters, rows: list[int]
) -> None:
    assert list(select_rows(index, filters)) == rows


def test_an_axis_that_is_no_column_comes_from_the_caller(index: pd.DataFrame) -> None:
    line = Lasso("Map", "Map, up", ((0, 0), (2, 0), (2, 2), (0, 2)))
    axes = {"Map": np.array([1.0, 5, 1, np.nan]), "Map, up": np.ones(4)}
    assert list(select_rows(index, Filters(lasso=line), axes.__getitem__)) == [0]


def test_only_statistics_that_differ_are_offered(index: pd.DataFrame) -> None:
    assert statistics_of(index.assign(channels=1, noise=None)) == ["Sharpness", "Entropy"]


def test_a_slice_is_found_by_its_id_and_its_place_among_the_selected(index: pd.DataFrame) -> None:
    assert (row_of(index, "c"), row_of(index, "no"), row_of(index, None)) == (2, None, None)
    assert (place_of([3, 2], 2), place_of([3, 2], 0), place_of([3, 2], None)) == (1, None, None)


def test_a_slice_is_filtered_by_patient_and_the_chip_takes_it_back(indexed: Workspace) -> None:
    app = page("Slices")
    widget(app, "selectbox", "explore.patient").select("p3").run()
    assert "2 slices of 25" in html_of(app)
    chip = widget(app, "button", "chip.explore.patient")
    assert chip.label == "Patient: p3"
    chip.click().run()
    assert "24 slices" in html_of(app)


def test_slices_are_filtered_by_a_finding_of_the_audit(indexed: Workspace) -> None:
    audit_dataset(indexed, "small")
    app = page("Slices")
    choice = widget(app, "selectbox", "explore.finding")
    tiny = next(title for title in choice.options if "Tiny" in title)
    choice.select(tiny).run()
    assert not app.exception and not app.error
    assert widget(app, "button", "chip.finding").label == f"Finding: {tiny}"


def test_the_scatter_draws_the_map_and_any_two_statistics(indexed: Workspace) -> None:
    app = page("Slices")
    app.session_state["explore.view"] = "Scatter"
    app.run()
    assert not app.exception and not app.error
    assert "principal components" in html_of(app)
    widget(app, "selectbox", "explore.x").select("Entropy").run()
    widget(app, "selectbox", "explore.color").select("Sharpness").run()
    assert not app.exception and not app.error
    assert "principal components" not in html_of(app)


def test_the_audit_is_offered_on_its_tile(indexed: Workspace) -> None:
    app = page()
    widget(app, "button", "explore-audit").click().run()
    (job,) = JobStore(indexed).list("audit")
    assert job.argv == ["audit", "small"]
    assert app.session_state["explore.tab"] == "Findings"


def test_without_patients_the_overview_says_how_to_bring_them(own: Workspace, tmp_path: Path) -> None:
    build_index(own, write_slices(tmp_path / "plain", patients=False), name="plain")
    assert "Patients unknown" in html_of(page())


def test_the_overview_says_what_the_lungs_wait_for_and_sizes_in_words(indexed: Workspace) -> None:
    text = html_of(page())
    assert "The lungs are not measured yet" in text
    assert "all 64 x 64 pixels" in text


def test_the_audit_is_started_from_the_page_and_shown_with_pictures(indexed: Workspace) -> None:
    app = page("Findings")
    widget(app, "button", "audit-action").click().run()
    (job,) = JobStore(indexed).list("audit")
    assert job.argv == ["audit", "small"]
    JobStore(indexed).stop(job.id)
    audit_dataset(indexed, "small")
    text = html_of(page("Findings"))
    assert "Unreadable: not an image" in text and "Tiny" in text
    assert "data:image/jpeg;base64" in text
    make_split(indexed, "small")
    assert "Stale" in html_of(page("Findings"))


def test_a_split_is_seen_before_it_is_frozen(indexed: Workspace) -> None:
    app = page("Split")
    assert "No split yet" in html_of(app)
    assert "calibration" in html_of(app)
    assert list_splits(indexed, "small") == []
    widget(app, "text_input", "split.name").input("mine")
    widget(app, "button", "split-freeze").click().run()
    assert not app.error
    (made,) = list_splits(indexed, "small")
    assert (made.name, made.group_by) == ("mine", "patient")
    again = page("Split")
    assert any("frozen already, as mine" in caption.value for caption in again.caption)


def test_without_patient_ids_a_split_by_patient_is_not_offered(own: Workspace, tmp_path: Path) -> None:
    build_index(own, write_slices(tmp_path / "plain", patients=False), name="plain")
    radio = widget(page("Split"), "radio", "split.group-by")
    assert radio.options[0] == "by near-duplicate cluster"
    assert not any("by patient" == option for option in radio.options)


def test_a_split_by_patient_says_of_how_many_slices_the_patient_is_unknown(
    own: Workspace, tmp_path: Path
) -> None:
    folder = write_slices(tmp_path / "some")
    table = pd.read_csv(folder / "labels.csv")
    table.loc[6:, "patient_id"] = None
    table.to_csv(folder / "labels.csv", index=False)
    build_index(own, folder, name="some")
    assert "18 of 24 slices have no patient id" in html_of(page("Split"))


def test_a_source_is_held_out_on_the_page_and_its_split_says_so(own: Workspace, tmp_path: Path) -> None:
    build_index(own, write_slices(tmp_path / "two", sources=True), name="two")
    app = page("Split")
    widget(app, "selectbox", "split.test-on").set_value("source=far").run()
    assert "Tested on source=far alone" in html_of(app)
    widget(app, "button", "split-freeze").click().run()
    assert not app.error
    (made,) = list_splits(own, "two")
    assert made.test_on == "source=far"
    assert any("tested on source=far" in caption.value for caption in page("Split").caption)


def test_slices_of_one_value_of_a_column_are_kept_together(own: Workspace, tmp_path: Path) -> None:
    build_index(own, write_slices(tmp_path / "two", sources=True), name="two")
    app = page("Split")
    widget(app, "radio", "split.group-by").set_value("by a column").run()
    widget(app, "selectbox", "split.column").set_value("scanner").run()
    widget(app, "button", "split-freeze").click().run()
    assert not app.error
    (made,) = list_splits(own, "two")
    assert made.group_by == "column:scanner"
    assert any(caption.value.startswith("by scanner") for caption in page("Split").caption)


def test_the_leakage_meter_is_drawn_after_an_audit(indexed: Workspace) -> None:
    assert any("The audit measures it" in caption.value for caption in page("Split").caption)
    audit_dataset(indexed, "small")
    text = html_of(page("Split"))
    assert "A probe that only finds the most similar picture" in text or "cannot be measured" in text


def test_a_name_that_is_taken_is_one_sentence(indexed: Workspace) -> None:
    make_split(indexed, "small", name="mine", seed=5)
    app = page("Split")
    widget(app, "text_input", "split.name").input("mine")
    widget(app, "button", "split-freeze").click().run()
    assert any("splits are frozen" in error.value for error in app.error)


def test_adding_data_queues_an_index(own: Workspace, tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "new set")
    app = page()
    widget(app, "button", "add-data").click().run()
    assert widget(app, "text_input", "add.folder").value == ""
    submit_index(folder, name="new-set", labels=str(folder / "labels.csv"))
    (job,) = JobStore(own).list("index")
    assert job.argv == ["index", str(folder), "--name", "new-set", "--labels", str(folder / "labels.csv")]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"source": "nowhere", "name": "a"}, AddingError, "There is no folder"),
        ({"source": "slices.zip", "name": "a"}, AddingError, "is a file: name the folder that it lies in"),
        ({"source": ".", "name": "a b"}, InvalidNameError, "letters, digits"),
        ({"source": ".", "name": "a", "labels": "nowhere.csv"}, AddingError, "There is no labels file"),
    ],
)
def test_what_cannot_be_indexed_is_said_before_a_job_is_made(
    own: Workspace, tmp_path: Path, arguments: dict[str, str], error: type[Exception], words: str
) -> None:
    (tmp_path / "slices.zip").write_bytes(b"PK")
    with pytest.raises(error, match=words):
        submit_index(tmp_path / arguments.pop("source"), **arguments)
    assert JobStore(own).list() == []


def test_a_failed_index_says_why_until_it_is_dismissed(indexed: Workspace) -> None:
    job = JobStore(indexed).submit("index", ["index", "x", "--name", "x"], "Index x")
    JobStore(indexed).fail(job.id, "The folder x does not exist.")
    app = page()
    assert "The folder x does not exist." in html_of(app)
    widget(app, "button", "dismiss-index").click().run()
    assert "The folder x does not exist." not in html_of(app)


def test_charts_draw_what_they_are_given() -> None:
    order = ["positive", "negative"]
    counts = pd.DataFrame({"slices": [5, 2], "patients": [0, 0]}, index=order)
    assert len(balance_figure(counts).data) == 1, "unknown patients are not drawn as zero"
    assert list(balance_figure(counts.assign(patients=[2, 1])).data[1].x) == [2, 1]
    shares = np.full((3, 32), 1 / 32, np.float32)
    (band, line) = intensity_figure({"positive": Bands(shares, 3)}, order).data
    assert line.customdata[0] == pytest.approx(100 / 32) and line.y[0] == pytest.approx((1 / 32) ** 0.5)
    assert (
        len(intensity_figure({"positive": Bands(shares, 3), "negative": Bands(shares, 3)}, order).data) == 6
    )
    lungs = np.array([[0.1, np.nan], [0.2, np.nan], [0.3, np.nan]], np.float32)
    profile = LungProfile(np.array([0.25, 0.75]), {"positive": Bands(lungs, 1)}, 1, 1)
    assert list(lungs_figure(profile, order).data[1].y) == pytest.approx([20])
    matrix = pd.DataFrame({"positive": [3, 0], "negative": [0, 1]}, index=["P1", "P2"])
    (heat,) = patients_figure(matrix, order).data
    assert heat.z[0][1] is None and heat.z[0][0] > heat.z[1][1] - 1 > 0, "no slice, no cell; more, stronger"
    kinds = pd.DataFrame({"positive": [1, 9]}, index=["BMP", "PNG"])
    assert list(kinds_figure(kinds, order).data[0].y) == ["PNG", "BMP"]
    parts = pd.DataFrame({"positive": [3, 0], "negative": [1, 0]}, index=["train", "val"])
    assert list(parts_figure(parts).data[0].x) == [75, 0]

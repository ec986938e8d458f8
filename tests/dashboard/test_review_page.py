"""The Review page: the model is hidden until the reader has spoken, and every step is on record."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.loaders import pictures
from dashboard.loaders import review as loader
from dashboard.review import clock
from pipeline.data.decisions import decide
from pipeline.data.index import build_index, load_index
from pipeline.data.slice_image import SliceError
from pipeline.review.database import reviews_url
from pipeline.review.readings import load_readings
from pipeline.review.store import Opinion, ReviewStore
from pipeline.runs import RunInfo, RunStore
from pipeline.workspace import Workspace, atomic_write_json

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
CLASSES = ["negative", "positive"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a data set of six slices, all of them test slices of one run."""
    folder = tmp_path_factory.mktemp("review")
    rng = np.random.default_rng(0)
    for number in range(6):
        place = folder / "slices" / ("pCT" if number % 2 else "nCT") / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), rng.integers(0, 255, (96, 96), np.uint8))
    workspace = Workspace.open(folder / "workspace")
    build_index(workspace, folder / "slices", name="wards", labels_csv=None)
    ids = load_index(workspace, "wards")["slice_id"].tolist()
    store = RunStore(workspace)
    run = store.create("model", {"dataset": "wards"}, {})
    atomic_write_json(run.artifacts / "classes.json", CLASSES)
    table = {"slice_id": ids, "group": ids, "part": ["test"] * len(ids)}
    atomic_write_json(run.artifacts / "split.json", {"hash": "h", "dataset": "wards", "table": table})
    atomic_write_json(run.artifacts / "engine" / "engine.json", {"no": "engine"})
    store.finish(run.id)
    return workspace


@pytest.fixture
def fresh(home: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReviewStore:
    """The workspace with readings of this test's own."""
    monkeypatch.setenv("HILUM_WORKSPACE", str(home.root))
    monkeypatch.setenv("HILUM_REVIEWS_URL", f"sqlite:///{tmp_path / 'reviews.db'}")
    return ReviewStore(reviews_url(home))


@pytest.fixture
def sure_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that calls everything positive."""

    def opinion(run: RunInfo, slice_id: str) -> SimpleNamespace:
        values = np.zeros((96, 96), np.float32)
        return SimpleNamespace(
            status="ok", label="positive", probabilities={"negative": 0.1, "positive": 0.9}, calibrated=False,
            reason="", heatmap=SimpleNamespace(values=values), on_slice=lambda v: v, heat_limit=lambda: 1.0,
            little_lung=False, withheld=False, engine=SimpleNamespace(classes=("negative", "positive")),
        )  # fmt: skip

    monkeypatch.setattr(loader, "opinion", opinion)


def open_page() -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    return app.switch_page("views/review.py").run()


def begin(name: str = "Dr A") -> AppTest:
    app = open_page()
    app.text_input(key="review.name").input(name)
    press(app, "Begin")
    return app


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def text_of(app: AppTest) -> str:
    return "".join(str(part.proto.body) for part in app.get("html"))


def test_reading_needs_a_reader(fresh: ReviewStore) -> None:
    app = press(open_page(), "Begin")
    assert "give your name" in app.warning[0].value
    assert "What do you see?" not in text_of(app)


def test_the_model_is_hidden_until_the_reader_has_spoken(fresh: ReviewStore, sure_model: None) -> None:
    app = begin()
    assert "What do you see?" in text_of(app)
    assert "The model says" not in text_of(app)
    assert "0.90" not in text_of(app)
    assert load_readings(fresh).empty
    press(app, "negative")
    assert "The model says" in text_of(app) and "score (uncalibrated)" in text_of(app)
    row = load_readings(fresh).iloc[0]
    assert (row["reader"], row["blind_label"], row["model_label"]) == ("Dr A", "negative", "positive")
    assert row["final_label"] is None and row["worklist"] == "seed 0, 6 slices"


def test_the_label_of_a_slice_shows_nowhere(fresh: ReviewStore, sure_model: None) -> None:
    """Not its folder, not its file's name, not in the address."""
    app = begin()
    assert "pCT" not in str(app) and "nCT" not in str(app)
    assert "slice" not in app.query_params


def test_a_whole_list_is_read_and_agreement_shown(fresh: ReviewStore, sure_model: None) -> None:
    app = begin()
    for number in range(6):
        press(app, "negative" if number < 4 else "positive")
        app.text_area[0].input(f"note {number}")
        press(app, "positive")
    assert "All slices of this list are read" in text_of(app)
    rows = load_readings(fresh)
    assert rows["note"].tolist() == [f"note {number}" for number in range(6)]
    assert rows["changed"].sum() == 4 and rows["agreed"].all()
    assert fresh.verify_chain().rows == 18
    app.session_state["review.tab"] = "Agreement"
    app.run()
    assert not app.error
    assert "Kappa" in text_of(app) and "patients unknown" in text_of(app)
    app.session_state["review.tab"] = "Readings"
    app.run()
    assert "The chain is whole" in text_of(app)
    assert [button.label for button in app.get("download_button")] == ["CSV", "JSON with audit"]


def test_a_closed_browser_goes_on_where_it_was(fresh: ReviewStore, sure_model: None) -> None:
    press(begin(), "negative")
    again = begin()
    assert "The model says" in text_of(again), "the first label is on record; the reading goes on after it"
    press(again, "negative")
    assert load_readings(fresh)["final_label"].tolist() == ["negative"]


def test_an_unfinished_list_is_offered_after_a_reload(fresh: ReviewStore, sure_model: None) -> None:
    app = open_page()
    app.number_input(key="review.seed.form").set_value(7)
    app.text_input(key="review.name").input("Dr A")
    press(press(press(app, "Begin"), "negative"), "negative")
    again = press(open_page(), "Go on: Dr A, order 7, 1 of 6")
    assert "What do you see?" in text_of(again)
    press(again, "negative")
    assert set(load_readings(fresh)["worklist"]) == {"seed 7, 6 slices"}


def test_a_name_in_another_spelling_goes_on_as_the_same_reader(fresh: ReviewStore, sure_model: None) -> None:
    press(begin("Dr A"), "negative")
    again = begin(" dr  a")
    assert "The model says" in text_of(again)
    press(again, "negative")
    assert load_readings(fresh)["reader"].tolist() == ["Dr A"]


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that goes on only when a test says so."""
    hands = SimpleNamespace(now=100.0)
    monkeypatch.setattr(clock, "monotonic", lambda: hands.now)
    return hands


def test_the_clock_stands_while_the_slice_is_off_the_screen(
    fresh: ReviewStore, sure_model: None, hands: SimpleNamespace
) -> None:
    app = begin()
    hands.now += 5
    app.switch_page("views/predict.py").run()
    hands.now += 100
    app.switch_page("views/review.py").run()
    hands.now += 2
    show(app, "Readings")
    hands.now += 100
    show(app, "Read")
    press(app, "negative")
    assert load_readings(fresh)["blind_seconds"].tolist() == [7.0]


def test_correcting_the_last_one_keeps_the_time_of_the_slice_at_hand(
    fresh: ReviewStore, sure_model: None, hands: SimpleNamespace
) -> None:
    app = press(press(begin(), "negative"), "negative")
    hands.now += 5
    press(app, "Correct the last one")
    hands.now += 30
    press(app, "positive")
    hands.now += 2
    press(app, "negative")
    assert load_readings(fresh)["final_seconds"].tolist()[0] == 30.0
    assert load_readings(fresh)["blind_seconds"].tolist()[1] == 7.0


def test_after_a_reload_the_time_of_the_slice_is_not_known(fresh: ReviewStore, sure_model: None) -> None:
    press(begin(), "negative")
    again = press(open_page(), "Go on: Dr A, order 0, 0 of 6")
    assert "Time not recorded" in text_of(again)
    press(again, "negative")
    press(again, "negative")
    rows = load_readings(fresh)
    assert rows["final_seconds"][0] is None
    assert rows["blind_seconds"][1] is not None


def test_another_tab_that_was_quicker_is_no_error(fresh: ReviewStore, sure_model: None) -> None:
    slow, quick = begin(), begin()
    press(quick, "negative")
    press(slow, "positive")
    assert not slow.error
    assert load_readings(fresh)["blind_label"].tolist() == ["negative"]
    assert "came too late: the label positive." in text_of(slow)
    press(slow, "I have seen this")
    assert "too late" not in text_of(slow)


def test_a_press_never_counts_for_the_slice_that_came_since(fresh: ReviewStore, sure_model: None) -> None:
    slow, quick = begin(), begin()
    press(press(quick, "negative"), "negative")
    press(slow, "positive")  # its first slice is finished in the other tab, the second is at hand
    assert load_readings(fresh)["blind_label"].tolist() == ["negative"]
    assert "What do you see?" in text_of(slow) and "came too late" in text_of(slow)


def test_a_note_that_came_too_late_is_named(fresh: ReviewStore, sure_model: None) -> None:
    press(begin(), "negative")
    slow, quick = begin(), begin()
    press(quick, "negative")
    slow.text_area[0].input("at the fissure")
    press(slow, "positive")
    assert "the label positive and the note “at the fissure”" in text_of(slow)
    assert load_readings(fresh)["final_label"].tolist() == ["negative"]


def test_the_same_label_from_two_tabs_is_nothing_lost(fresh: ReviewStore, sure_model: None) -> None:
    slow, quick = begin(), begin()
    press(quick, "negative")
    press(slow, "negative")
    assert "came too late" not in text_of(slow)


def test_the_last_reading_can_be_corrected(fresh: ReviewStore, sure_model: None) -> None:
    app = begin()
    press(app, "negative")
    press(app, "negative")
    press(app, "Correct the last one")
    assert "correcting" in text_of(app)
    press(app, "positive")
    row = load_readings(fresh).iloc[0]
    assert (row["final_label"], row["corrections"]) == ("positive", 1)
    assert "What do you see?" in text_of(app)


def test_a_slip_is_kept_and_named(fresh: ReviewStore, sure_model: None) -> None:
    app = begin()
    press(app, "negative")
    press(app, "I meant positive")
    row = load_readings(fresh).iloc[0]
    assert (row["blind_label"], row["blind_corrected_to"]) == ("negative", "positive")
    assert "You said" in text_of(app) and ", meant" in text_of(app)
    press(app, "negative")
    shown = show(app, "Readings").dataframe[0].value.iloc[0]
    assert (shown["First label"], shown["Changed"], shown["Corrections"]) == (
        "negative, meant positive", True, 1,
    )  # fmt: skip


def test_without_a_model_the_reading_goes_on_and_says_so(fresh: ReviewStore) -> None:
    app = begin()
    press(app, "negative")
    assert "The model could not be asked" in text_of(app)
    press(app, "negative")
    row = load_readings(fresh).iloc[0]
    assert (row["model_status"], row["agreed"], row["final_label"]) == ("error", None, "negative")


def test_a_slice_that_cannot_be_shown_gets_no_label(
    fresh: ReviewStore, sure_model: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(dataset: str, slice_id: str) -> None:
        raise SliceError("There is no such file.")

    monkeypatch.setattr(pictures, "slice_image", gone)
    app = begin()
    assert "The slice cannot be shown" in text_of(app)
    assert [button.disabled for button in app.button if button.label in CLASSES] == [True, True]
    press(app, "Cannot judge")
    assert "What do you see?" in text_of(app), "the next slice, without asking the model"
    row = load_readings(fresh).iloc[0]
    assert (row["blind_label"], row["model_status"]) == ("cannot judge", "error")
    app.session_state["review.peek"] = row["run"]
    app.session_state["review.tab"] = "Agreement"
    app.run()
    assert "1 that the reader could not judge" in app.caption[0].value


def test_a_reader_may_say_that_a_slice_cannot_be_judged(fresh: ReviewStore, sure_model: None) -> None:
    app = press(begin(), "Cannot judge")
    assert "The model says" in text_of(app)
    press(app, "positive")
    row = load_readings(fresh).iloc[0]
    assert (row["blind_label"], row["final_label"]) == ("cannot judge", "positive")


def test_agreement_waits_for_the_list_unless_asked(fresh: ReviewStore, sure_model: None) -> None:
    app = begin()
    press(app, "negative")
    press(app, "negative")
    app.session_state["review.tab"] = "Agreement"
    app.run()
    assert "can sway" in text_of(app) and "Kappa" not in text_of(app)
    press(app, "Show it anyway")
    assert "Kappa" in text_of(app)


def show(app: AppTest, tab: str) -> AppTest:
    app.session_state["review.tab"] = tab
    return app.run()


def test_what_others_said_stays_closed_while_a_list_is_open(fresh: ReviewStore, sure_model: None) -> None:
    press(press(begin("Dr A"), "negative"), "negative")
    app = press(press(begin("Dr B"), "positive"), "positive")
    show(app, "Readings")
    assert "can sway" in text_of(app)
    assert app.dataframe[0].value["Reader"].tolist() == ["Dr B"]
    assert not {"Slice", "Reference"} & set(app.dataframe[0].value), "they are answers too"
    press(app, "Show it anyway")
    assert "can sway" not in text_of(app)
    found = app.dataframe[0].value
    assert sorted(found["Reader"]) == ["Dr A", "Dr B"]
    assert found["Slice"].str.endswith(".png").all() and found["Open"].str.startswith("/predict?run=").all()


def test_a_seal_written_down_earlier_is_compared(fresh: ReviewStore, sure_model: None) -> None:
    app = press(begin(), "negative")
    seal = fresh.verify_chain().head[:12]
    show(press(app, "negative"), "Readings")
    app.text_input(key="review.seal").input(seal).run()
    assert "The seal is there" in text_of(app) and "1 entry was added since" in text_of(app)
    app.text_input(key="review.seal").input("0123456789ab").run()
    assert "The seal is not there" in text_of(app)
    app.text_input(key="review.seal").input("no seal").run()
    assert "12 to 64 digits" in app.error[0].value


def test_each_reader_is_measured_and_where_they_differ_is_listed(
    fresh: ReviewStore, sure_model: None
) -> None:
    press(press(begin("Dr A"), "negative"), "negative")
    app = press(press(begin("Dr B"), "positive"), "positive")
    press(show(app, "Agreement"), "Show it anyway")
    assert "Dr A, before the model&#x27;s opinion" in text_of(app) and "Specificity" in text_of(app)
    found = app.dataframe[0].value
    assert found[["Model", "Reader Dr A"]].values.tolist() == [["positive", "negative"]]
    assert found["Reader Dr B"].tolist() == ["positive"]


@pytest.mark.parametrize("tab", ["Agreement", "Readings"])
def test_who_has_not_said_who_reads_sees_no_answers(fresh: ReviewStore, sure_model: None, tab: str) -> None:
    press(press(begin("Dr A"), "negative"), "negative")
    app = show(open_page(), tab)
    assert "can sway how you read later" in text_of(app)
    assert not app.dataframe and "Kappa" not in text_of(app)
    press(app, "Show it anyway")
    assert app.dataframe or "Kappa" in text_of(app)


def test_a_finished_list_opens_nothing_while_another_is_open(fresh: ReviewStore, sure_model: None) -> None:
    app = press(press(begin(), "negative"), "negative")  # one of six
    app.session_state["review.size"] = 1
    show(app, "Agreement")
    assert "1 of 6 slices of another list, order 0" in text_of(app)


def test_excluded_slices_are_in_no_list_and_no_figure(
    home: Workspace, fresh: ReviewStore, sure_model: None
) -> None:
    app = press(press(begin(), "negative"), "negative")
    read = load_readings(fresh)["slice_id"][0]
    unread = next(one for one in load_index(home, "wards")["slice_id"] if one != read)
    decide(home, "wards", "exclude", [read, unread])
    try:
        app.run()
        assert "0 of 4 read by Dr A; 2 of this list excluded" in str(app.get("progress")[0].proto)
        app.session_state["review.peek"] = load_readings(fresh)["run"][0]
        show(app, "Agreement")
        assert "1 of slices that were excluded on Explore" in app.caption[0].value
        assert "2 more were excluded" in text_of(open_page())
    finally:
        decide(home, "wards", "undo", [read, unread])


def test_the_opinion_on_record_is_shown_even_if_the_model_changed_since(
    fresh: ReviewStore, sure_model: None
) -> None:
    app = begin()
    press(app, "negative")
    reading = load_readings(fresh).iloc[0]["reading_id"]
    assert fresh.shown_opinion(reading) == Opinion(
        "ok", "positive", {"negative": 0.1, "positive": 0.9}, False, "closed-form CAM"
    )

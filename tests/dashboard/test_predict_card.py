"""The Predict page's report card: it follows the map, is given up with the slice, and is kept."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.prediction import evidence, maps
from dashboard.prediction.evidence import Evidence
from pipeline.errors import HilumError
from pipeline.explanation.checks import Check, randomized_check
from pipeline.explanation.methods import OCCLUSION
from pipeline.explanation.report_card import VERDICTS, ReportCard, judged
from pipeline.explanation.task import BackgroundTask
from pipeline.inference import randomized
from pipeline.workspace import Workspace
from tests import families
from tests.dashboard import predicting as base

home, page, shown, saved, _idle = base.home, base.page, base.shown, base.saved, base._idle
calm, words = base.calm, base.words


@pytest.fixture
def busy(home: Workspace, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page whose background work is done, on the phantoms of one patient."""
    monkeypatch.setenv("HILUM_WORKSPACE", str(home.root))
    monkeypatch.setattr(randomized, "SEEDS", range(3000, 3001))
    return base.open_page()


def evidences(app: AppTest) -> list[Evidence]:
    return list(app.session_state["predict.evidence"].values())


def wait(app: AppTest) -> AppTest:
    """Wait for what is on its way, as the page does, until nothing is."""
    for _ in range(4):
        (*_, last) = evidences(app)
        if last.task is None:
            return app
        last.task.result(120)
        last.task = None  # as the page's own waiting does
        calm(app.run())
    return app


def test_the_card_follows_the_map_and_is_kept(busy: AppTest, saved: dict[str, Any]) -> None:
    calm(wait(busy))
    said = words(busy)
    assert any(sentence in said for sentence in VERDICTS.values())
    for title in ("Deletion", "Insertion", "Agreement with occlusion", "Stability", "Random weights"):
        assert f"<b>{title}</b>" in said
    (evidence,) = evidences(busy)
    assert len(evidence.cards) == 1
    calm(busy.run())
    assert evidence.task is None and len(evidence.cards) == 1, "what is known is not asked again"
    card = evidence.finished_card((maps.DEFAULT, base.answer_of(busy)))
    saved = json.loads(base.take(busy, saved, "json"))
    assert card is not None and saved["map_report"]["because"] == card.because
    probe = evidence.probe
    other = next(name for name in families.CLASSES if name != base.answer_of(busy))
    busy.session_state[f"predict.class.{base.answer_of(busy)}"] = other
    wait(calm(busy.run()))
    assert len(evidence.cards) == 2 and evidence.probe is probe, "another class needs no new probe"


def test_while_it_is_worked_out_the_page_says_how_far_it_is(page: AppTest) -> None:
    (progress,) = page.get("progress")
    assert "Checking the map: at work" in progress.proto.text and progress.proto.value == 25
    assert "The model says" in words(page)


class Failed(base.Idle):
    """A background task whose work went wrong."""

    done = True

    def result(self, timeout: float | None = None) -> None:
        raise HilumError("The network could not be read.")


def passed() -> ReportCard:
    """A map's report card before the model's own check."""
    titles = ("Deletion", "Insertion", "Agreement with occlusion", "Stability", "Heat inside the lungs")
    return judged(
        [Check(title.lower(), title, "1", "good", "Found.", "this slice", "good") for title in titles]
    )


def only_the_model_is_unchecked(app: AppTest, monkeypatch: pytest.MonkeyPatch, task: type) -> AppTest:
    """Draw the page when all but the model's own check is made, and that is `task`."""
    (found,) = evidences(app)
    probe: Any = object()
    found.probe, found.task = probe, None
    found.cards[maps.DEFAULT, base.answer_of(app)] = passed()
    monkeypatch.setattr(evidence, "BackgroundTask", task)
    monkeypatch.setattr(Evidence, "is_busy", property(lambda evidence: False))
    return app.run()


def test_before_the_last_check_is_in_there_is_no_verdict(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = words(calm(only_the_model_is_unchecked(page, monkeypatch, base.Idle)))
    assert "This map is still being checked." in said and "<b>Deletion</b>" in said
    assert "It passed" not in said and not any(sentence in said for sentence in VERDICTS.values())
    (found,) = evidences(page)
    found.randomized = randomized_check({"all layers": 0.1}, basis="8 slices")
    said = words(calm(page.run()))
    assert "It passed all 6 checks" in said and "still being checked" not in said


def test_a_last_check_that_cannot_be_made_is_named_in_the_verdict(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = only_the_model_is_unchecked(page, monkeypatch, Failed)
    said = words(app)
    assert "The network could not be read." in app.error[0].value
    assert "passed 5 of 6 checks" in said and "One check could not be made" in said
    assert "still being checked" not in said and "passed all" not in said


def test_a_last_check_that_failed_is_not_tried_again(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise HilumError("The network could not be read.")

    monkeypatch.setattr(randomized, "map_check", fails)
    only_the_model_is_unchecked(page, monkeypatch, BackgroundTask)
    (found,) = evidences(page)
    task: Any = found.task
    with pytest.raises(HilumError, match="could not be read"):
        task.result(60)
    said = words(calm(page.run()))
    assert "passed 5 of 6 checks" in said and "One check could not be made" in said
    assert found.task is task and not page.error


def test_another_slice_gives_it_up(page: AppTest) -> None:
    (first,) = evidences(page)
    task: Any = first.task
    calm(page.button(key="prep-next").click().run())
    assert task.cancelled and len(evidences(page)) == 2
    assert not getattr(evidences(page)[1].task, "cancelled")  # noqa: B009


def test_occlusion_is_drawn_once_the_parts_were_hidden(page: AppTest, shown: list[list[maps.Panel]]) -> None:
    calm(page.selectbox(key="predict.method").select(OCCLUSION).run())
    assert [len(panel.layers) for panel in shown[0]] == [1, 1]
    (evidence,) = evidences(page)
    rng = np.random.default_rng(0)
    evidence.occluded = rng.normal(size=(8, 8, 3)).astype(np.float32), np.zeros(3, np.float32)
    shown.clear()
    calm(page.run())
    heat = shown[0][1].layers[1]
    assert isinstance(heat, maps.HeatLayer) and heat.signed and heat.unit.endswith("a patch")
    assert "when a patch is hidden" in words(page)


def test_the_difference_of_two_classes_stands_beside(page: AppTest, shown: list[list[maps.Panel]]) -> None:
    calm(page.selectbox(key="predict.beside").select(maps.DIFFERENCE).run())
    answer = base.answer_of(page)
    assert base.titles(shown[0])[2].startswith(f"What speaks for {answer} rather than ")
    alone, difference = (panel.layers[1] for panel in shown[0][1:])
    assert alone.scale == difference.scale, "one scale"


def test_a_refused_slice_that_is_shown_all_the_same_is_not_to_be_relied_on(page: AppTest) -> None:
    calm(base.upload(page, "picture.png", base.png(base.photo())))
    override = next(toggle for toggle in page.toggle if toggle.label.startswith("It is one"))
    calm(override.set_value(True).run())
    assert "Do not rely on this map." in words(page) and "The slice was refused" in words(page)

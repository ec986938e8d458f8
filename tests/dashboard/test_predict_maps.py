"""The Predict page's maps: whose evidence is shown, beside what, and how gradients are waited for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.prediction import background, maps
from pipeline.explanation.methods import METHODS
from tests import families
from tests.dashboard import predicting
from tests.dashboard.predicting import answer_of, calm, explain, titles, words

home, page, shown, _idle = predicting.home, predicting.page, predicting.shown, predicting._idle


def test_the_map_of_another_class_can_be_chosen(page: AppTest, shown: list[list[maps.Panel]]) -> None:
    answer = answer_of(page)
    other = next(name for name in families.CLASSES if name != answer)
    explain(page, shown, other)
    assert titles(shown[0]) == ["Slice", f"What speaks for {other}"]
    assert f"Red speaks for {other}" in words(page)
    assert f"</i>{answer}</h3>" in words(page), "the answer itself stays"


def test_the_rival_stands_beside_it_on_the_same_scale(page: AppTest, shown: list[list[maps.Panel]]) -> None:
    calm(page.selectbox(key="predict.beside").select(maps.RIVAL).run())
    panels = shown[0]
    assert len(panels) == 3 and titles(panels)[1] != titles(panels)[2]
    heats = [panel.layers[1] for panel in panels[1:]]
    assert all(isinstance(heat, maps.HeatLayer) and heat.signed for heat in heats)


def test_what_speaks_against_can_be_left_out(page: AppTest, shown: list[list[maps.Panel]]) -> None:
    signed = []
    for label in families.CLASSES:  # the maps of all classes cancel out: one of them has cells against it
        explain(page, shown, label)
        signed.append(shown[0][1].layers[1])
    page.session_state["predict.sign"] = maps.FOR
    for label, before in zip(families.CLASSES, signed, strict=True):
        explain(page, shown, label)
        np.testing.assert_array_equal(shown[0][1].layers[1].values, np.maximum(before.values, 0))
    assert "what speaks against it is left out" in words(page) and "blue" not in words(page)
    assert min(layer.values.min() for layer in signed) < 0


class Waiting:
    """A map that is being computed until `done` is set."""

    done = False
    cancelled = False

    def result(self) -> np.ndarray:
        return np.linspace(0, 1, families.SIZE**2, dtype=np.float32).reshape(families.SIZE, families.SIZE)

    def cancel(self) -> None:
        self.cancelled = True


class Service:
    """The worker's stand-in: keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.pending = Waiting()

    def start(self, request: Any) -> Waiting:
        self.asked.append(request)
        return self.pending


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    found = Service()
    monkeypatch.setattr(background, "service", lambda: found)
    return found


def test_a_gradient_map_is_waited_for_beside_the_slice(
    page: AppTest, service: Service, shown: list[list[maps.Panel]]
) -> None:
    calm(page.selectbox(key="predict.method").select("grad-cam++").run())
    assert "is being computed" in words(page) and "The model says" in words(page)
    assert [len(panel.layers) for panel in shown[0]] == [1, 1], "the slice is there, its map not yet"
    assert service.asked[0].method == "grad-cam++"
    service.pending.done = True
    shown.clear()
    calm(page.run())
    assert "is being computed" not in words(page)
    assert titles(shown[0])[1].startswith(METHODS["grad-cam++"].title)
    assert len(shown[0][1].layers) == 2 and len(service.asked) == 1
    assert "does not say how strong the evidence is" in words(page)


def test_waiting_can_be_given_up(page: AppTest, service: Service) -> None:
    calm(page.selectbox(key="predict.method").select("score-cam").run())
    next(button for button in page.button if button.label == "Give it up").click()
    calm(page.run())
    assert service.pending.cancelled
    assert "is being computed" not in words(page)
    assert page.selectbox(key="predict.method").value == "grad-cam"

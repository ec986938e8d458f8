"""The controls of a recipe, grouped by stage; only those that matter for the methods chosen are shown."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard import widgets
from dashboard.loaders import train
from dashboard.preprocess import session
from dashboard.preprocess.copying import copy_button
from pipeline.preprocessing.recipe import PRESETS, Recipe
from pipeline.preprocessing.windowing import WINDOWS

BLOCKS = (3, 5, 7, 9, 11, 15, 21, 31, 41, 51, 71, 101, 151, 201, 251, 301, 401, 511, 999, 10999)
SIZES = (128, 192, 224, 256, 384, 512, 768, 1024)
NAMES = {
    "body": "inside the body", "otsu": "Otsu", "multi-otsu": "multi-Otsu", "local-mean": "local mean",
    "local-gaussian": "local Gaussian", "hu": "fixed HU", "pad": "keep aspect", "stretch": "stretch",
    "anatomy": "anatomy (hilum)", "classic": "largest parts (luna)", "corners": "holes of the body (hust19)",
    "none": "none", "grey": "slice", "masked": "lungs only", "three-channel": "slice, mask, edges",
    "closing": "closed mask", "roberts": "Roberts", "sobel": "Sobel", "canny": "Canny", "median": "median",
    "gaussian": "Gaussian", "disk": "disk", "square": "square", "lungs": "lungs",
}  # fmt: skip


def draw_recipe_picker() -> None:
    """Draw the choice of preset or saved recipe, with undo and reset."""
    names = train.recipes()
    base, in_hand = session.base_recipe(), session.recipe_in_hand()
    gone = [] if base.name in names else [base.name]  # deleted, and still what is applied
    default = train.default_recipe()
    st.selectbox(
        "Begin with",
        [*names, *gone],
        key=_show("prep.picked", base.name),
        format_func=lambda name: _recipe_words(name, default, gone),
        on_change=lambda: session.begin_with(st.session_state["prep.picked"]),
        help="hilum: our own. hust19: the data set's authors. luna: the Kaggle and LUNA16 "
        "kernels. notebook: the notebook's steps with our values.",
    )
    changed = base.difference(in_hand)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "", key="prep-undo", icon=":material/undo:", help="Undo", on_click=session.undo,
            disabled=not session.can_undo(),
        )  # fmt: skip
        st.button(
            "", key="prep-redo", icon=":material/redo:", help="Redo", on_click=session.redo,
            disabled=not session.can_redo(),
        )  # fmt: skip
        st.button(
            "", key="prep-reset", icon=":material/restart_alt:", help=f"Reset to {base.name}",
            on_click=session.reset, disabled=not changed,
        )  # fmt: skip
        copy_button(json.dumps(in_hand.to_json(), indent=2), label="Copy the recipe as JSON", key="prep-copy")
    _say_changes(base.name, changed)
    if session.problem():
        widgets.callout(session.problem() or "", tone="warn", title="Not taken over")


def _recipe_words(name: str, default: str, gone: list[str]) -> str:
    if name in gone:
        return f"{name} (no longer saved)"
    notes = ([] if name in PRESETS else ["saved"]) + (["default"] if name == default else [])
    return f"{name} ({', '.join(notes)})" if notes else name


def _say_changes(base: str, changed: dict[str, tuple[Any, Any]]) -> None:
    """Say in one line how far the recipe in hand is from where it began; what differs is said on hover."""
    many = f"{len(changed)} change{'s' if len(changed) != 1 else ''} from {base}"
    listed = "; ".join(f"{name.rpartition('.')[2]} {was} → {now}" for name, (was, now) in changed.items())
    st.html(
        f'<div title="{html.escape(listed)}" style="overflow:hidden;color:var(--h-muted);font-size:12.5px;'
        f'text-overflow:ellipsis;white-space:nowrap">{html.escape(many) if changed else f"{base}, unchanged"}'
        f"{': ' + html.escape(listed) if changed else ''}</div>"
    )


def draw_controls(recipe: Recipe, *, has_hu: bool, histogram: Callable[[], go.Figure]) -> None:
    """Draw the controls of every stage; `histogram` makes the picture that stands with the threshold."""
    with st.expander("Slice", expanded=False):
        _draw_slice(recipe, has_hu=has_hu)
    with st.expander("Local threshold", expanded=True):
        widgets.chart(histogram(), key="prep-histogram", height=118)
        _draw_threshold(recipe, has_hu=has_hu)
    with st.expander("Lungs", expanded=True):
        _draw_lungs(recipe)
        for sentence in recipe.warnings():
            widgets.callout(sentence, tone="warn")
    with st.expander("Edges", expanded=False):
        _draw_edges(recipe)
    with st.expander("Network input", expanded=True):
        _draw_output(recipe)


def _draw_slice(recipe: Recipe, *, has_hu: bool) -> None:
    if has_hu:
        current = (recipe.window.center, recipe.window.width)
        named = next((name for name, value in WINDOWS.items() if value == current), None)
        st.segmented_control(
            "Window", list(WINDOWS), key=_show("prep.window", named), on_change=_take_window, width="stretch",
            help="lung 1500/-600, mediastinum 400/40, bone 2500/480. Lungs are found in the lung window "
            "whatever is shown.",
        )  # fmt: skip
        _slider(recipe, "window__center", "Centre (HU)", -1000.0, 1000.0, 10.0)
        _slider(recipe, "window__width", "Width (HU)", 50.0, 4000.0, 10.0)
    _choice(recipe, "fit", "Fit", ("pad", "stretch"))
    _select(recipe, "size", "Size (pixels)", SIZES)
    _choice(recipe, "denoise__method", "Denoise", ("none", "median", "gaussian"))
    if recipe.denoise.method != "none":
        _select(recipe, "denoise__size", "Neighbourhood (pixels)", (3, 5, 7, 9, 11, 13, 15))


def _take_window() -> None:
    if picked := st.session_state["prep.window"]:
        center, width = WINDOWS[picked]
        session.change(window__center=center, window__width=width)


def _draw_threshold(recipe: Recipe, *, has_hu: bool) -> None:
    methods = ("body", "otsu", "multi-otsu", "local-mean", "local-gaussian", "hu")
    _dropdown(recipe, "threshold__method", "Method", methods)
    method = recipe.threshold.method
    if method == "hu" and has_hu:
        _slider(recipe, "threshold__level_hu", "Level (HU)", -1000.0, 200.0, 10.0)
        return
    if method == "hu":
        st.caption("This slice has no HU: the level inside the body is taken.")
    if method.startswith("local"):
        _select(recipe, "threshold__block", "Block (pixels)", BLOCKS)
    _slider(recipe, "threshold__offset", "Offset (grey levels)", -128.0, 128.0, 1.0)


def _draw_lungs(recipe: Recipe) -> None:
    _dropdown(recipe, "lungs__method", "Isolation", ("anatomy", "classic", "corners", "none"))
    method = recipe.lungs.method
    if method == "none":
        return
    _slider(recipe, "lungs__opening_radius", "Opening (radius, pixels)", 0, 20, 1)
    _slider(recipe, "lungs__erosion_radius", "Erosion (radius, pixels)", 0, 20, 1)
    _slider(recipe, "lungs__closing_radius", "Closing (radius, pixels)", 0, 40, 1)
    if method == "anatomy":
        _slider(recipe, "lungs__repair", "Pleura repair (depth of a dent)", 0.0, 3.0, 0.05)
    else:
        _slider(recipe, "lungs__keep", "Largest parts kept", 1, 6, 1)
    if method != "corners":
        _choice(recipe, "lungs__kernel", "Kernel", ("disk", "square"))
        _toggle(recipe, "lungs__fill_holes", "Fill holes (vessels, lesions)")
    _toggle(recipe, "lungs__hull", "Convex hull of each lung")
    if method == "classic":
        _toggle(recipe, "lungs__clear_border", "Clear the picture's border")


def _draw_edges(recipe: Recipe) -> None:
    _choice(recipe, "edges__method", "Method", ("roberts", "sobel", "canny"))
    _choice(recipe, "edges__of", "Of the", ("grey", "closing"))
    if recipe.edges.method == "canny":
        _slider(recipe, "edges__low", "Weak gradient", 0.0, 1000.0, 5.0)
        _slider(recipe, "edges__high", "Strong gradient", 0.0, 1000.0, 5.0)


def _draw_output(recipe: Recipe) -> None:
    _dropdown(recipe, "output", "The network gets", ("masked", "grey", "three-channel"))
    if recipe.output == "masked":
        _slider(recipe, "margin", "Margin around the lungs (pixels)", 0, 64, 1)
    _choice(recipe, "crop__to", "Crop to", ("none", "body", "lungs"), names={"body": "body"})
    if recipe.crop.to != "none":
        _slider(recipe, "crop__margin", "Margin of the crop (pixels)", 0, 128, 1)


def _slider(recipe: Recipe, path: str, label: str, low: float, high: float, step: float) -> None:
    key = _bind(path, min(max(_value(recipe, path), low), high))
    form = "%d" if isinstance(step, int) else "%.2f" if step < 1 else "%.0f"
    st.slider(
        label, low, high, step=step, format=form, key=key, help=_help(path), on_change=_take, args=(path,)
    )


def _select(recipe: Recipe, path: str, label: str, options: Sequence[int]) -> None:
    value = _value(recipe, path)
    choices = sorted({*options, value})
    key = _bind(path, value)
    st.select_slider(label, choices, key=key, help=_help(path), on_change=_take, args=(path,))


def _dropdown(recipe: Recipe, path: str, label: str, options: Sequence[str]) -> None:
    key = _bind(path, _value(recipe, path))
    st.selectbox(
        label,
        options,
        key=key,
        format_func=NAMES.__getitem__,
        help=_help(path),
        on_change=_take,
        args=(path,),
    )


def _choice(
    recipe: Recipe, path: str, label: str, options: Sequence[str], *, names: dict[str, str] | None = None
) -> None:
    key = _bind(path, _value(recipe, path))
    words = NAMES | (names or {})
    st.segmented_control(
        label, options, key=key, format_func=words.__getitem__, help=_help(path),
        on_change=_take, args=(path,), width="stretch", required=True,
    )  # fmt: skip


def _toggle(recipe: Recipe, path: str, label: str) -> None:
    st.toggle(label, key=_bind(path, _value(recipe, path)), help=_help(path), on_change=_take, args=(path,))


def _bind(path: str, value: Any) -> str:
    """Make the widget of a parameter show the recipe's value; return its key."""
    return _show(f"prep.{path}", value)


def _show(key: str, value: Any) -> str:
    """Give a widget a value, only where it has another; return its key.

    Whatever is set is sent to the browser and put over what the user is moving there at that moment.
    """
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    return key


def _take(path: str) -> None:
    session.change(**{path: st.session_state[f"prep.{path}"]})


def _value(recipe: Recipe, path: str) -> Any:
    found: Any = recipe
    for name in path.split("__"):
        found = getattr(found, name)
    return found


def _help(path: str) -> str:
    model: Any = Recipe
    *groups, name = path.split("__")
    for group in groups:
        model = model.model_fields[group].annotation
    return str(model.model_fields[name].description or "")

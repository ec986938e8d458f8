"""What is packed for the browser comes back exactly; what cannot be shown is refused with advice."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from dashboard.viewer import GreyLayer, HeatLayer, HuLayer, MaskLayer, Outline, Panel, ViewerDataError, viewer
from dashboard.viewer.colormaps import COLORMAPS, colormap
from dashboard.viewer.component import source
from dashboard.viewer.encode import NO_HEAT, Packer, compress, decompress, describe_panels, quantise

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 48), (7, 9, 3)])
def test_compressed_rasters_come_back_exactly(dtype: type, shape: tuple[int, ...]) -> None:
    """Over the whole range of the type, wrap-around included."""
    limits = np.iinfo(dtype)
    image = RANDOM.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    found = decompress(compress(image), dtype=np.dtype(dtype).name, shape=shape)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, image)


def test_the_extremes_follow_each_other_without_loss() -> None:
    image = np.array([[-32768], [32767], [-32768], [0]], np.int16)
    np.testing.assert_array_equal(decompress(compress(image), dtype="int16", shape=(4, 1)), image)


def test_heat_is_kept_to_half_a_step_and_missing_values_stay_missing() -> None:
    values = RANDOM.normal(size=(40, 30)).astype(np.float32)
    values[3, 4], values[5, 6] = np.nan, np.inf
    codes, base, step = quantise(values)
    finite = np.isfinite(values)
    assert (codes[~finite] == NO_HEAT).all()
    assert step == pytest.approx((values[finite].max() - values[finite].min()) / 65534)
    error = np.abs(base + codes[finite].astype(np.float64) * step - values[finite])
    assert error.max() <= step / 2 + 1e-9


@pytest.mark.parametrize("value", [0.0, -3.5, np.nan])
def test_heat_without_any_range_is_kept(value: float) -> None:
    codes, base, step = quantise(np.full((2, 2), value))
    if np.isnan(value):
        assert (codes == NO_HEAT).all()
    else:
        assert (base + codes * step == value).all()


def test_the_payload_is_a_header_and_the_rasters_it_points_into() -> None:
    image = RANDOM.integers(0, 255, (8, 6), np.uint8)
    packer = Packer()
    panels = [Panel([GreyLayer(image)], title="a"), Panel([GreyLayer(image), MaskLayer(image > 99)])]
    payload = packer.pack({"panels": describe_panels(panels, packer)})
    (length,) = struct.unpack("<I", payload[:4])
    header = json.loads(payload[4 : 4 + length])
    first, second = (panel["layers"][0]["raster"] for panel in header["panels"])
    assert first == second, "the same picture is sent once"
    blob = payload[4 + length :][first["offset"] : first["offset"] + first["length"]]
    np.testing.assert_array_equal(decompress(blob, dtype="uint8", shape=(8, 6)), image)


def test_hu_is_rounded_and_clipped() -> None:
    packer = Packer()
    image = np.array([[-1000.4, 40.6], [1e9, np.nan]])
    [panel] = describe_panels([Panel([HuLayer(image)])], packer)
    meta = panel["layers"][0]["raster"]
    blob = packer.pack({})[4 + 2 :]
    found = decompress(blob, dtype=meta["dtype"], shape=(2, 2))
    assert found.tolist() == [[-1000, 41], [32767, -32768]]


def test_the_scale_of_heat_is_zero_to_the_greatest_and_symmetric_where_signed() -> None:
    values = np.array([[-1.0, 0.5], [0.25, np.nan]])
    assert HeatLayer(values).scale == (0.0, 0.5)
    assert HeatLayer(values, signed=True).scale == (-1.0, 1.0)
    assert HeatLayer(values, low=0, high=4).scale == (0.0, 4.0)
    assert HeatLayer(np.zeros((2, 2))).scale == (0.0, 1.0)


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda: GreyLayer(np.zeros((2, 2))), "expects uint8 with 2 dimensions; received float64"),
        (lambda: GreyLayer(np.zeros((0, 2), np.uint8)), "received uint8 \\(0, 2\\)"),
        (lambda: HuLayer(np.zeros((2, 2, 2))), "2 dimensions"),
        (lambda: HuLayer(np.zeros((2, 2)), width=0), "width above 0"),
        (lambda: HeatLayer(np.zeros((2, 2)), opacity=2), "opacity lies in \\[0, 1\\]"),
        (lambda: HeatLayer(np.zeros((2, 2)), colormap="rainbow"), "take one of inferno"),  # type: ignore[arg-type]
        (lambda: HeatLayer(np.zeros((2, 2)), low=2, high=1), "low < high"),
        (lambda: MaskLayer(np.zeros((2, 2)), color="red"), "#rrggbb"),
        (lambda: Outline([np.zeros((4, 3))]), "\\(n, 2\\)"),
        (lambda: Panel([]), "at least one picture"),
        (lambda: Panel([HeatLayer(np.zeros((2, 2)))]), "first layer"),
        (lambda: GreyLayer(np.zeros((2, 9000), np.uint8)), "reduce it first"),
        (lambda: viewer([], key="none"), "no panel"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_advice(make: object, advice: str) -> None:
    with pytest.raises(ViewerDataError, match=advice):
        make()  # type: ignore[operator]


def test_spacing_is_row_and_column_or_unknown() -> None:
    layers = [GreyLayer(np.zeros((2, 2), np.uint8))]
    assert Panel(layers, spacing=0.7).spacing_mm == (0.7, 0.7)
    assert Panel(layers, spacing=(1.0, 0.5)).spacing_mm == (1.0, 0.5)
    assert Panel(layers, spacing=float("nan")).spacing_mm is None
    assert Panel(layers).spacing_mm is None


def test_colour_maps_begin_and_end_as_published() -> None:
    assert colormap("viridis")[[0, 255]].tolist() == [[68, 1, 84], [253, 231, 37]]
    assert colormap("inferno")[[0, 255]].tolist() == [[0, 0, 4], [252, 255, 164]]
    assert colormap("coolwarm")[[0, 255]].tolist() == [[59, 76, 192], [180, 4, 38]]
    assert all(colormap(name).shape == (256, 3) for name in COLORMAPS)


def test_the_script_is_one_module_with_one_default_export() -> None:
    assert source().count("export default") == 1
    assert source().startswith("const COLORMAPS = {")

"""NIfTI: planes as a radiologist sees them however they are stored, Hounsfield units, and what is refused."""

import gzip
import itertools

import nibabel
import numpy as np
import pytest

from pipeline.data import nifti as module
from pipeline.data.decode import decode_slice
from pipeline.data.formats import detect_format
from pipeline.data.index import build_index, load_index
from pipeline.data.nifti import NO_ORIENTATION
from pipeline.data.reading import read_slice
from pipeline.data.slice_image import SliceError

AFFINE = np.array([[0.8, 0, 0, -10], [0, 0.7, 0, -20], [0, 0, 5, 100], [0, 0, 0, 1]], float)


def body():
    """40 to the right, 50 to the front, 20 to the head; marks in the right front and on the top plane."""
    volume = np.full((40, 50, 20), -1000, np.int16)
    volume[5:35, 5:45] = 40
    volume[30:35, 40:45] = 1000
    volume[:2, :2, 19] = 7
    return volume


def stored_as(axes):
    """Return the body stored along other axes, for example "PSL"."""
    image = nibabel.Nifti1Image(body(), AFFINE)
    wanted = nibabel.orientations.axcodes2ornt(axes)
    return image.as_reoriented(nibabel.orientations.ornt_transform(nibabel.io_orientation(AFFINE), wanted))


def every_orientation():
    for letters in itertools.product("RL", "AP", "SI"):
        yield from ("".join(order) for order in itertools.permutations(letters))


@pytest.mark.parametrize("axes", list(every_orientation()))
def test_a_plane_looks_the_same_however_it_is_stored(axes):
    data = stored_as(axes).to_bytes()
    planes = {read.header.slice_location: read for read in (decode_slice(data, frame=at) for at in range(20))}
    assert sorted(planes) == [100.0 + 5 * at for at in range(20)]
    top = planes[195.0]
    assert (top.image.shape, top.intensity, top.frames, top.notes) == ((50, 40), "hu", 20, ())
    assert (top.image[5:10, 5:10] == 1000).all()  # the patient's right is on the left, the front on top
    assert (top.image[-2:, -2:] == 7).all() and (planes[100.0].image[-2:, -2:] == -1000).all()
    assert top.header.pixel_spacing == pytest.approx(np.sqrt(0.8 * 0.7), abs=1e-4)
    assert top.header.image_orientation == "1 0 0 0 1 0"
    assert top.header.image_position == "-21.2 -14.3 195"


def test_a_tilted_volume_has_its_location_along_its_own_normal():
    angle = np.deg2rad(20)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    data = nibabel.Nifti1Image(body(), turn @ AFFINE).to_bytes()
    first, second = (decode_slice(data, frame=at).header.slice_location for at in (0, 1))
    assert second - first == pytest.approx(5, abs=2e-3)


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (2, -1024), (0.5, 24)])
def test_the_header_scales_what_is_stored(slope, intercept):
    image = nibabel.Nifti1Image(((body() - intercept) / slope).astype(np.int16), AFFINE)
    image.header.set_slope_inter(slope, intercept)
    header = image.header.copy()
    data = bytearray(image.to_bytes())  # nibabel rescales on writing: the header's own values go back in
    header.set_data_shape(image.shape)
    data[112:120] = np.array([slope, intercept], "<f4").tobytes()
    read = decode_slice(bytes(data))
    assert read.intensity == "hu"
    np.testing.assert_allclose(np.unique(read.image), [-1000, 40, 1000], atol=1)


@pytest.mark.parametrize(
    ("air", "intensity"), [(-1000, "hu"), (-301, "hu"), (-299, "grey"), (0, "grey"), (float("nan"), "grey")]
)
def test_air_below_300_makes_hounsfield_units(air, intensity):
    volume = body().astype(np.float32)
    volume[volume == -1000] = air
    read = decode_slice(nibabel.Nifti1Image(volume, AFFINE).to_bytes())
    assert read.intensity == intensity
    assert read.image.dtype == (np.float32 if intensity == "hu" else np.uint8)
    assert np.isfinite(read.image).all()


def test_unknown_values_in_a_ct_are_air():
    volume = body().astype(np.float32)
    volume[20, 20] = np.nan
    assert decode_slice(nibabel.Nifti1Image(volume, AFFINE).to_bytes()).image.min() == -1024


@pytest.mark.parametrize("dtype", ["u1", ">i2", "<u2", ">f4", "<f8", "i1", "<i8"])
def test_types_and_byte_orders(dtype):
    volume = np.arange(20 * 30 * 2).reshape(20, 30, 2) % 100
    header = nibabel.Nifti1Header(endianness=dtype[0] if dtype[0] in "<>" else "<")
    header.set_data_dtype(dtype)
    image = nibabel.Nifti1Image(volume.astype(dtype), AFFINE, header=header, dtype=np.dtype(dtype))
    read = decode_slice(image.to_bytes(), frame=1)
    assert (read.bit_depth, read.frames) == (8 * np.dtype(dtype).itemsize, 2)
    assert np.corrcoef(read.image.ravel(), volume[::-1, ::-1, 1].T.ravel())[0, 1] > 0.999


def test_nifti_2_two_dimensions_and_four():
    second = decode_slice(nibabel.Nifti2Image(body(), AFFINE).to_bytes())
    np.testing.assert_array_equal(second.image, decode_slice(stored_as("RAS").to_bytes()).image)
    assert decode_slice(nibabel.Nifti1Image(body()[..., 0], AFFINE).to_bytes()).frames == 1
    moving = decode_slice(nibabel.Nifti1Image(np.stack([body()] * 3, -1), AFFINE).to_bytes(), frame=41)
    assert (moving.frames, moving.header.slice_location) == (60, 105.0)


def test_a_volume_without_orientation_says_so():
    image = nibabel.Nifti1Image(body(), None)
    assert decode_slice(image.to_bytes()).notes == (NO_ORIENTATION,)
    broken = nibabel.Nifti1Image(body(), AFFINE)
    data = bytearray(broken.to_bytes())
    data[280:328] = np.full(12, np.nan, "<f4").tobytes()
    assert decode_slice(bytes(data)).image.shape == (50, 40)


def with_shape(*shape):
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header["dim"][: len(shape) + 1] = [len(shape), *shape]
    header["magic"], header["vox_offset"] = b"n+1", 352
    return header.binaryblock + b"\0" * 4 + bytes(100_000)


def edited(at, value):
    data = bytearray(with_shape(32, 32, 3))
    data[at : at + len(value)] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (with_shape(32, 32, 300), "truncated"),
        (with_shape(30000, 30000, 2), "too-large"),
        (with_shape(512, 512, 2000), "too-large"),
        (with_shape(32, 32, 5000), "too-large"),
        (with_shape(8, 32, 5), "too-small"),
        (with_shape(32, 32, -5), "corrupt"),
        (with_shape(32, 32, 2, 1, 3), "unsupported-format"),
        (edited(70, (128).to_bytes(2, "little")), "unsupported-format"),  # RGB
        (edited(70, (32).to_bytes(2, "little")), "unsupported-format"),  # complex
        (edited(70, (777).to_bytes(2, "little")), "corrupt"),
        (edited(344, b"ni1\0"), "unsupported-format"),
        (edited(344, b"\0\0\0\0"), "unsupported-format"),
        # mtime=0: a test is named after its data, and every process must give it the same name.
        (gzip.compress(b"some text, packed", mtime=0), "unsupported-format"),
        (gzip.compress(with_shape(32, 32, 300), mtime=0), "truncated"),
        (gzip.compress(with_shape(32, 32, 3), mtime=0)[:60], "truncated"),
        (b"\x1f\x8b\x08" + b"\xff" * 40, "unsupported-format"),
    ],
)
def test_what_a_header_claims_is_judged_first(data, code):
    with pytest.raises(SliceError) as caught:
        decode_slice(data)
    assert caught.value.code == code, caught.value.reason
    assert caught.value.reason.endswith(".")


def test_a_gzip_bomb_is_inflated_no_further_than_its_header_says(monkeypatch):
    bomb = gzip.compress(with_shape(64, 64, 10) + bytes(100 * 2**20))
    assert len(bomb) < 2**20
    asked = []
    inflate = module._inflate
    monkeypatch.setattr(module, "_inflate", lambda chunks, size: asked.append(size) or inflate(chunks, size))
    assert decode_slice(bomb).frames == 10
    assert max(asked) == 352 + 64 * 64 * 10 * 2


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.dcm"])
def test_volumes_are_rows_of_the_index(workspace, tmp_path, name):
    data = stored_as("LPI").to_bytes()
    path = tmp_path / "slices" / "pCT" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    summary = build_index(workspace, tmp_path / "slices", name="set")
    table = load_index(workspace, "set")
    assert (summary.slices, summary.errors, summary.by_label) == (20, [], {"positive": 20})
    assert set(table["format"]) == {"nifti"} and set(table["intensity"]) == {"hu"}
    assert list(table["slice_location"]) == [195.0 - 5 * at for at in range(20)]
    assert table["image_orientation"].eq("1 0 0 0 1 0").all()
    assert table["series_uid"].nunique() == 1 and table["patient_id"].isna().all()  # one group, one stack
    read = read_slice(path, frame=3)
    assert read.header.slice_location == table["slice_location"][3]
    assert build_index(workspace, tmp_path / "slices", name="set").read == 0


def test_one_plane_of_a_plain_volume_is_read_and_no_more(tmp_path, monkeypatch):
    path = tmp_path / "large.nii"
    nibabel.save(nibabel.Nifti1Image(body(), AFFINE), path)
    assert type(module.open_nifti(path).stored).__name__ == "ArrayProxy"
    whole = decode_slice(path.read_bytes(), frame=7)
    np.testing.assert_array_equal(decode_slice(path, frame=7).image, whole.image)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 10)
    with pytest.raises(SliceError) as caught:
        decode_slice(path)
    assert caught.value.code == "truncated"


def test_the_format_is_told_by_content():
    assert detect_format(stored_as("RAS").to_bytes()[:4096]) == "nifti"
    assert detect_format(gzip.compress(stored_as("RAS").to_bytes())[:4096]) == "nifti"
    assert detect_format(nibabel.Nifti2Image(body(), AFFINE).to_bytes()[:4096]) == "nifti"

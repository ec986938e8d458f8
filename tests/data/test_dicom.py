"""DICOM: Hounsfield units, headers without names, frames, and what is refused."""

import zlib

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian

from pipeline.data.colour import COLOUR_NOTE, FILLED_NOTE
from pipeline.data.decode import decode_frames, decode_slice
from pipeline.data.slice_image import SliceError

KEY = b"k" * 32


def item(**elements):
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def test_ct_with_a_rescale_is_hounsfield_units(write_dicom):
    read = decode_slice(write_dicom())
    assert (read.intensity, read.image.dtype, read.format) == ("hu", np.float32, "dicom")
    np.testing.assert_array_equal(read.image[0, :3], [-1024, -1023, -1022])


@pytest.mark.parametrize(
    ("kind", "slope", "intercept", "whole"),
    [
        (np.int16, 1, 0, True),
        (np.uint16, 1, -1024, True),
        (np.int16, 1, -1024, False),  # the least would not fit
        (np.int16, 1, -0.5, False),
        (np.int16, 2, 0, False),
    ],
)
def test_hu_are_whole_numbers_only_where_nothing_is_lost(write_dicom, kind, slope, intercept, whole):
    span = np.iinfo(np.int16)
    stored = np.linspace(max(span.min, np.iinfo(kind).min), span.max, 32 * 32).astype(kind).reshape(32, 32)
    signed = int(kind is np.int16)
    read = decode_slice(
        write_dicom(stored=stored, RescaleSlope=slope, RescaleIntercept=intercept, PixelRepresentation=signed)
    )
    assert (read.whole_hu is not None) is whole and read.image.dtype == np.float32
    np.testing.assert_array_equal(read.image, stored.astype(np.float64) * slope + intercept)
    if whole:
        np.testing.assert_array_equal(read.whole_hu, read.image)


def test_the_header_keeps_geometry_and_pseudonyms_and_no_name(write_dicom):
    header = decode_slice(write_dicom(), key=KEY).header
    assert (header.slice_location, header.pixel_spacing, header.kernel) == (-12.5, 0.5, "B60f")
    assert (header.image_position, header.image_orientation) == ("0 0 -12.5", "1 0 0 0 1 0")
    assert header.patient_id.startswith("P-") and header.study_uid.startswith("S-")
    text = repr(header)
    assert not any(secret in text for secret in ("MRN", "00042", "Doe", "Jane", "1970", "1.2.3"))
    assert decode_slice(write_dicom(), key=b"other" * 8).header.patient_id != header.patient_id


def test_without_a_key_no_identifier_leaves_the_header(write_dicom):
    header = decode_slice(write_dicom()).header
    assert (header.patient_id, header.study_uid, header.series_uid) == (None, None, None)


@pytest.mark.parametrize("placeholder", ["ANONYMOUS", "", "Anonymous^", "0000"])
def test_a_placeholder_is_no_patient(write_dicom, placeholder):
    assert decode_slice(write_dicom(PatientID=placeholder), key=KEY).header.patient_id is None


def test_padding_becomes_air(write_dicom):
    stored = np.full((32, 32), 1000, np.int16)
    stored[:4] = -2000
    read = decode_slice(write_dicom(stored=stored, PixelPaddingValue=-2000))
    assert (read.image[0, 0], read.image[9, 9]) == (-1024, -24)


def test_a_radiograph_is_grey_and_monochrome1_is_turned_round(write_dicom):
    stored = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32)
    plain = {"stored": stored, "Modality": "CR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1"}
    upright = decode_slice(write_dicom(**plain))
    turned = decode_slice(write_dicom(**plain, PhotometricInterpretation="MONOCHROME1"))
    assert upright.intensity == "grey"
    np.testing.assert_array_equal(upright.image, 255 - turned.image)
    assert (upright.image[0, 0], upright.image[-1, -1]) == (0, 255)


def test_frames_have_rescale_position_and_spacing_of_their_own(write_dicom):
    stored = np.stack([np.full((32, 32), value, np.int16) for value in (0, 10, 20)])
    shared = item(
        PixelValueTransformationSequence=Sequence([item(RescaleSlope=2, RescaleIntercept=-1000)]),
        PixelMeasuresSequence=Sequence([item(PixelSpacing=[0.8, 0.8])]),
        PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]),
    )
    frames = [
        item(PlanePositionSequence=Sequence([item(ImagePositionPatient=[0, 0, z])])) for z in (5, 10, 15)
    ]
    path = write_dicom(
        stored=stored,
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
        RescaleSlope=None,
        RescaleIntercept=None,
    )
    read = [decode_slice(path, frame=frame) for frame in range(3)]
    assert [one.image[0, 0] for one in read] == [-1000, -980, -960]
    assert [one.header.slice_location for one in read] == [5, 10, 15]
    assert (read[0].header.pixel_spacing, read[2].frames) == (0.8, 3)
    with pytest.raises(SliceError, match="frame 4"):
        decode_slice(path, frame=3)


def test_colour_frames_become_grey(write_dicom):
    path = write_dicom(stored=np.zeros((32, 32), np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = "RGB"
    dataset.PixelData = np.tile(np.array([255, 0, 0], np.uint8), (32, 32, 1)).tobytes()
    dataset.save_as(path)
    read = decode_slice(path)
    assert (read.channels, read.channels_equal, read.image[0, 0]) == (3, False, 76)
    assert (read.notes, read.color_share) == ((COLOUR_NOTE,), 1)


def test_a_mark_drawn_in_colour_on_a_frame_is_filled(write_dicom):
    path = write_dicom(stored=np.zeros((64, 64), np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = "RGB"
    pixels = np.full((64, 64, 3), 90, np.uint8)
    pixels[30:32, 10:40] = 255, 220, 0
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path)
    read = decode_slice(path)
    assert (read.notes, read.image.min(), read.image.max()) == ((COLOUR_NOTE, FILLED_NOTE), 90, 90)


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ({"PixelData": None}, "no-pixels"),
        ({"Rows": 30000, "Columns": 30000}, "too-large"),
        ({"Rows": 2, "Columns": 2}, "too-small"),
        ({"NumberOfFrames": 100_000}, "too-large"),
        ({"PixelData": b"\0" * 10}, "corrupt"),
    ],
)
def test_what_is_refused_says_why(write_dicom, elements, code):
    with pytest.raises(SliceError) as caught:
        decode_slice(write_dicom(**elements))
    assert caught.value.code == code
    assert len(caught.value.reason) > 20


def test_a_deflated_bomb_is_refused_before_it_inflates(write_dicom):
    path = write_dicom()
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    pydicom.dcmwrite(path, dataset)
    assert decode_slice(path).image[0, 0] == -1024
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(b"\0" * (300 * 2**20)) + packer.flush()
    whole = path.read_bytes()
    end_of_meta = 132 + 12 + int.from_bytes(whole[140:144], "little")
    path.write_bytes(whole[:end_of_meta] + bomb)
    with pytest.raises(SliceError) as caught:
        decode_slice(path)
    assert caught.value.code == "too-large"


def test_a_bare_file_without_preamble_is_read(write_dicom):
    path = write_dicom()
    path.write_bytes(path.read_bytes()[132:])
    assert decode_slice(path).intensity == "hu"


def test_every_transfer_syntax_of_real_files_is_read(real_data):
    """One slice in 16 syntaxes: the lossless ones agree, the lossy ones nearly."""
    first = decode_slice(real_data / "dicom" / "CTImage.dcm").image
    paths = sorted((real_data / "dicom").glob("CTImage.dcm_*"))
    assert len(paths) == 13
    for path in paths:
        read = decode_slice(path).image
        error = np.abs(read - first).mean()
        lossy = any(
            name in path.name for name in ("Lossy", "JPEG2000T", "Process1T", "2_4T", "6_8T", "10_12T")
        )
        eight_bits = "Process1T" in path.name
        assert read.shape == first.shape
        assert error < (25 if eight_bits else 5) if lossy else error == 0, (path.name, error)


def test_every_frame_of_every_real_file_is_read(real_data):
    """Fragmented, with and without offset table, one frame and two, old JPEG with 12 bits: all 28."""
    paths = sorted((real_data / "dicom").iterdir())
    assert len(paths) == 28
    for path in paths:
        frames = list(decode_frames(path))
        assert all(not isinstance(read, SliceError) and read.image.shape == (512, 512) for read in frames)
        assert len(frames) == (2 if path.name.startswith("CT0012") else 1)


@pytest.mark.parametrize(
    ("syntax", "named"),
    [
        ("1.2.840.10008.1.2.4.52", "JPEG Extended (Process 3 and 5)"),
        ("1.2.840.10008.1.2.4.102", "MPEG-4"),
        ("1.2.3.4.5", "not registered"),
    ],
)
def test_a_syntax_that_nothing_reads_is_refused_by_name(write_dicom, syntax, named):
    path = write_dicom()
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([bytes(100)])
    dataset["PixelData"].is_undefined_length = True
    with path.open("wb") as file:
        pydicom.dcmwrite(file, dataset, implicit_vr=False, little_endian=True)
    with pytest.raises(SliceError) as caught:
        decode_slice(path)
    assert caught.value.code == "transfer-syntax" and named in caught.value.reason


def test_a_damaged_12_bit_jpeg_is_corrupt(write_dicom):
    path = write_dicom(BitsStored=12, HighBit=11)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.51"
    dataset.PixelData = encapsulate([b"\xff\xd8\xff\xd9" * 20])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    with pytest.raises(SliceError) as caught:
        decode_slice(path)
    assert caught.value.code == "corrupt"

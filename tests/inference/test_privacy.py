"""Names, ids and dates of patients that files carry are nowhere in the workspace: every byte is searched."""

import gzip
import io
import json
import struct
import zipfile

import cv2
import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image, PngImagePlugin

from pipeline.data.audit import audit_dataset
from pipeline.data.index import build_index, load_index
from pipeline.data.splits import make_split
from pipeline.data.stages import write_stages
from pipeline.data.thumbnails import load_thumbnail
from pipeline.inference.predict import predict_inputs
from pipeline.jobs import JobStore
from pipeline.preprocessing.recipe import PRESETS
from tests.mutants import dicom_bytes

ELEMENTS = {
    "PatientName": "Zyxwolf^Hildegund",
    "PatientID": "MRN-7731904",
    "OtherPatientIDs": "SSN-551-20-9914",
    "PatientBirthDate": "19310417",
    "PatientAddress": "Quittenweg 9",
    "PatientComments": "niece of Dr Obermoser",
    "AccessionNumber": "ACC4400917",
    "InstitutionName": "Klinikum Vogelsang",
    "ReferringPhysicianName": "Brunnhuber^Ottokar",
    "OperatorsName": "Tech^Immergruen",
    "StudyDate": "20190823",
    "ContentTime": "143355.771",
    "StudyDescription": "Thorax Frau Zyxwolf",
    "DeviceSerialNumber": "SN-88172-XQ",
    "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.7700011",
    "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.7700022",
    "SOPInstanceUID": "1.2.826.0.1.3680043.8.498.7700033",
    "FrameOfReferenceUID": "1.2.826.0.1.3680043.8.498.7700044",
}
PRIVATE = "GE-PRIV Krautwurst"
PLANTED = {
    "nifti descrip": "Pat Xaverius K.",
    "nifti db_name": "id0099213",
    "nifti aux_file": "xaverius.hdr",
    "nifti intent_name": "for Gundelbert",
    "gzip name": "xaverius_1948.nii",
    "png text": "Ysolde Habersack",
    "png time": "20170229x",
    "jpeg exif": "Archibald Nepomuk",
    "jpeg comment": "MRN 5512 Tannhauser",
    "tiff description": "Walpurga Seidl",
    "zip comment": "disc of Eusebius Pfnuer",
    "zip member comment": "scan Eusebius 1.1.44",
    "zip extra": "pfnuer-home",
}
SECRETS = [*ELEMENTS.values(), PRIVATE, *PLANTED.values()]
SECRETS += ["Zyxwolf", "Hildegund", "7731904", "Obermoser", "Krautwurst", "Eusebius", "7700011", "7700022"]


def dicom_with_secrets(image):
    dataset = pydicom.dcmread(io.BytesIO(dicom_bytes(image.astype(np.int16) * 5)))
    for keyword, value in ELEMENTS.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    block = dataset.private_block(0x0019, "HILDEGUND 01", create=True)
    block.add_new(0x01, "LO", PRIVATE)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def nifti_with_secrets(image):
    made = nibabel.Nifti1Image(np.stack([image.T.astype(np.int16) * 5 - 1000] * 2, -1), np.eye(4))
    for field in ("descrip", "db_name", "aux_file", "intent_name"):
        made.header[field] = PLANTED[f"nifti {field}"]
    made.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Xaverius again"))
    buffer = io.BytesIO()
    with gzip.GzipFile(PLANTED["gzip name"], "wb", fileobj=buffer) as packed:
        packed.write(made.to_bytes())
    return buffer.getvalue()


def pictures_with_secrets(image):
    picture, files = Image.fromarray(image), {}
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", PLANTED["png text"])
    text.add_text("Taken", PLANTED["png time"], zip=True)
    exif = Image.Exif()
    exif[315] = PLANTED["jpeg exif"]
    for name, options in {
        "a.png": {"pnginfo": text},
        "a.jpg": {"exif": exif, "comment": PLANTED["jpeg comment"].encode()},
        "a.tiff": {"description": PLANTED["tiff description"]},
    }.items():
        buffer = io.BytesIO()
        picture.save(buffer, {"jpg": "JPEG", "png": "PNG", "tiff": "TIFF"}[name[2:]], **options)
        files[name] = buffer.getvalue()
    return files


def zip_with_secrets(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = PLANTED["zip comment"].encode()
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.comment = PLANTED["zip member comment"].encode()
            extra = PLANTED["zip extra"].encode()
            info.extra = struct.pack("<HH", 0x7A70, len(extra)) + extra
            archive.writestr(info, data)
    return buffer.getvalue()


@pytest.fixture
def source(tmp_path, chest):
    """Slices of every format with 31 planted names, ids and dates, two of the files damaged."""
    image = cv2.resize(chest.image, (96, 96))
    files = pictures_with_secrets(image)
    files |= {"a.dcm": dicom_with_secrets(image), "v.nii.gz": nifti_with_secrets(image)}
    damaged = dicom_with_secrets(image)
    files |= {
        "cut.dcm": damaged[: len(damaged) // 2],
        "odd.dcm": damaged.replace(b"1.2.840.10008.1.2.1\0", b"Zyxwolf^Hildegund\0\0\0"),
    }
    folder = tmp_path / "slices"
    for place in ("pCT", "nCT"):
        (folder / place).mkdir(parents=True)
        for name, data in files.items():
            (folder / place / name).write_bytes(data)
    (folder / "pCT.zip").write_bytes(zip_with_secrets(files))
    assert all(
        any(secret.encode() in data for data in [*_unpacked(files), (folder / "pCT.zip").read_bytes()])
        for secret in SECRETS
        if secret != PLANTED["png time"]  # packed within the picture
    )
    return folder


def _unpacked(files):
    return [*files.values(), gzip.decompress(files["v.nii.gz"])]


def test_no_planted_name_id_or_date_reaches_the_workspace(workspace, run, source, capfd):
    with JobStore(workspace).reporting("index", ["index", str(source)], "Index set") as progress:
        summary = build_index(workspace, source, name="set", progress=progress)
    make_split(workspace, "set", group_by="none")
    with JobStore(workspace).reporting("audit", ["audit", "set"], "Audit set") as progress:
        report = audit_dataset(workspace, "set", progress=progress)
    index = load_index(workspace, "set")
    assert all(load_thumbnail(workspace, "set", row) for _, row in index.iterrows() if row["status"] == "ok")
    lines = []
    with JobStore(workspace).reporting("predict", ["predict", run.id, str(source)], "Predict") as progress:
        maps = workspace.root / "exports" / "maps"
        for line in predict_inputs(workspace, run, [source], heatmaps=maps, progress=progress):
            lines.append(json.dumps(line))
    (workspace.root / "exports" / "lines.jsonl").write_text("\n".join(lines))
    complaints = []
    stages = workspace.root / "exports" / "stages"
    list(write_stages([source], out=stages, recipe=PRESETS["hilum"], on_error=complaints.append))
    (workspace.root / "exports" / "errors.txt").write_text("\n".join(complaints))
    (workspace.root / "exports" / "index.json").write_text(json.dumps(summary.to_json()))
    (workspace.root / "exports" / "audit.json").write_text(json.dumps(report.to_json()))
    (workspace.root / "exports" / "index.csv").write_text(index.to_csv())
    (workspace.root / "exports" / "shown.txt").write_text("".join(capfd.readouterr()))

    assert len(lines) == len(index) == 24 and (index["status"] == "ok").sum() >= 15
    assert index["patient_id"].dropna().str.startswith("P-").all() and index["patient_id"].notna().any()
    searched = {path: _everything_in(path) for path in workspace.root.rglob("*") if path.is_file()}
    assert len(searched) > 30
    found = {
        (path.relative_to(workspace.root).as_posix(), secret)
        for path, content in searched.items()
        for secret in SECRETS
        if secret.encode() in content or secret.encode("utf-16-le") in content
    }
    assert found == set()


def _everything_in(path):
    """Return a file's bytes and, of Parquet, what its columns say once they are unpacked."""
    content = path.read_bytes() + path.name.encode()
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
        for column in table:
            values = table[column].dropna()
            content += b"\n".join(
                value if isinstance(value, bytes) else str(value).encode() for value in values
            )
        content += str(pd.io.parquet.get_engine("pyarrow").api.parquet.read_metadata(path).metadata).encode()
    return content

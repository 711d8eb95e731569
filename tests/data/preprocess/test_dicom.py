"""The grayscale pipeline of DICOM, the transfer syntaxes, the views, and files that are no single film."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import UID, generate_uid

from medley.core.errors import UnreadableImage
from medley.data.preprocess.dicom import find_view
from medley.data.preprocess.film import read_film

EXPLICIT, IMPLICIT, BIG, DEFLATED = (f"1.2.840.10008.1.2{end}" for end in (".1", "", ".2", ".1.99"))
RLE, J2K, JLS, JPEG = (
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.50",
)
RAMP = np.tile(np.linspace(0, 4095, 40).astype(np.uint16), (32, 1))


def dataset(stored: np.ndarray = RAMP, bits: int = 12, syntax: str = EXPLICIT, **elements) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(syntax)
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1")
    meta.MediaStorageSOPInstanceUID = generate_uid()
    encoding = {"is_implicit_VR": syntax == IMPLICIT, "is_little_endian": syntax != BIG}
    out = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128, **encoding)
    out.SOPClassUID, out.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    out.Modality, out.PatientName, out.PatientID = "DX", "Doe^Jane", "secret-77"
    out.Rows, out.Columns, out.SamplesPerPixel = *stored.shape[:2], 1
    out.BitsAllocated, out.BitsStored, out.HighBit = stored.dtype.itemsize * 8, bits, bits - 1
    out.PixelRepresentation = int(stored.dtype.kind == "i")
    out.PhotometricInterpretation = "MONOCHROME2"
    order = ">" if syntax == BIG else "<"
    data = stored.astype(stored.dtype.newbyteorder(order)).tobytes()
    out.add_new("PixelData", "OW" if stored.dtype.itemsize == 2 else "OB", data)
    for name, value in elements.items():
        if value is None:
            delattr(out, name)
        else:
            setattr(out, name, value)
    return out


def write(folder: Path, made: FileDataset, name: str = "film") -> Path:
    made.save_as(folder / name, enforce_file_format=True)
    return folder / name


def pixels(folder: Path, made: FileDataset) -> np.ndarray:
    return read_film(write(folder, made)).pixels


def lut(values: list[int], first: int, depth: int) -> Sequence:
    item = Dataset()
    item.LUTDescriptor = [len(values), first, depth]
    item.add_new("LUTData", "US", values)
    return Sequence([item])


def test_without_window_deep_data_are_spread_and_8_bit_data_are_not(tmp_path):
    assert np.allclose(pixels(tmp_path, dataset(RAMP // 2 + 100))[0, [0, -1]], [0, 1])
    shallow = (RAMP // 32 + 20).astype(np.uint8)
    assert np.allclose(pixels(tmp_path, dataset(shallow, 8)), shallow / 255, atol=1e-6)


@pytest.mark.parametrize("window", [{}, {"WindowCenter": 1500, "WindowWidth": 2000}])
def test_monochrome1_is_inverted_exactly_once(tmp_path, window):
    plain = pixels(tmp_path, dataset(**window))
    for also in ({}, {"PresentationLUTShape": "INVERSE"}):
        inverted = pixels(tmp_path, dataset(PhotometricInterpretation="MONOCHROME1", **window, **also))
        assert np.allclose(inverted, 1 - plain)
    assert np.allclose(pixels(tmp_path, dataset(PresentationLUTShape="IDENTITY", **window)), plain)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID", None])
@pytest.mark.parametrize("slope", [None, 2.5])
def test_windows_agree_with_pydicom(tmp_path, function, slope):
    made = dataset(WindowCenter=[1800, 40], WindowWidth=[900, 20])
    if function:
        made.VOILUTFunction = function
    if slope:
        made.RescaleSlope, made.RescaleIntercept, made.WindowCenter, made.WindowWidth = (
            slope,
            -1024,
            [3000, 1],
            [2000, 5],
        )
    theirs = apply_voi_lut(apply_modality_lut(RAMP, made), made)
    low, high = (0, 4095) if not slope else (-1024, 4095 * slope - 1024)
    assert np.allclose(pixels(tmp_path, made), (theirs - low) / (high - low), atol=1e-5)


def test_a_window_of_width_one_is_a_threshold_and_of_width_zero_an_error(tmp_path):
    film = pixels(tmp_path, dataset(WindowCenter=2000, WindowWidth=1))
    assert set(np.unique(film)) == {0, 1}
    assert np.array_equal(film > 0, RAMP > 1999.5)
    with pytest.raises(UnreadableImage, match="window of width 0"):
        pixels(tmp_path, dataset(WindowCenter=2000, WindowWidth=0))
    with pytest.raises(UnreadableImage, match="VOI LUT function CUBIC"):
        pixels(tmp_path, dataset(WindowCenter=2000, WindowWidth=10, VOILUTFunction="CUBIC"))


def test_an_empty_window_is_no_window(tmp_path):
    assert np.array_equal(pixels(tmp_path, dataset(WindowCenter="", WindowWidth="")), pixels(tmp_path, dataset()))


def test_voi_and_modality_luts_agree_with_pydicom(tmp_path):
    curve = [int(value) for value in np.linspace(0, 1023, 3000) ** 1.5 / 1023**0.5]
    made = dataset(VOILUTSequence=lut(curve, 500, 10), WindowCenter=5, WindowWidth=5)  # the LUT goes before the window
    assert np.allclose(pixels(tmp_path, made), apply_voi_lut(RAMP, made) / 1023, atol=1e-6)
    made = dataset(ModalityLUTSequence=lut(curve, 100, 16), WindowCenter=400, WindowWidth=600)
    made.ModalityLUTSequence[0].ModalityLUTType = "OD"
    theirs = apply_voi_lut(apply_modality_lut(RAMP, made), made)
    assert np.allclose(pixels(tmp_path, made), theirs / 65535, atol=1e-5)


def test_a_lut_that_is_cut_short_is_an_error(tmp_path):
    made = dataset(VOILUTSequence=lut([1, 2, 3], 0, 10))
    made.VOILUTSequence[0].LUTDescriptor = [4096, 0, 10]
    with pytest.raises(UnreadableImage, match="3 of 4096 entries"):
        pixels(tmp_path, made)


def test_padding_is_black_and_does_not_stretch_the_grey_scale(tmp_path):
    stored = RAMP // 4 + 1000
    stored[:, :6] = 4095
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        film = pixels(tmp_path, dataset(stored, PixelPaddingValue=4095, PhotometricInterpretation=photometric))
        assert (film[:, :6] == 0).all()
        assert (film[:, 6:].min(), film[:, 6:].max()) == (0, 1)


def test_signed_pixels(tmp_path):
    stored = (RAMP.astype(np.int16) - 2000) // 2
    film = pixels(tmp_path, dataset(stored, 16, WindowCenter=0, WindowWidth=1001))
    assert film[0, 0] == 0
    assert film[0, -1] == 1
    assert np.allclose(film, np.clip((stored + 500) / 1000, 0, 1), atol=2e-3)


def test_missing_high_bit_and_overlays_above_the_stored_bits(tmp_path):
    assert np.array_equal(pixels(tmp_path, dataset(HighBit=None)), pixels(tmp_path, dataset()))
    with_overlay = RAMP.copy()
    with_overlay[4:8] |= 1 << 14
    assert np.array_equal(pixels(tmp_path, dataset(with_overlay)), pixels(tmp_path, dataset()))


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG, DEFLATED])
def test_uncompressed_syntaxes(tmp_path, syntax):
    made = dataset(syntax=syntax)
    made.save_as(tmp_path / "other", enforce_file_format=True)
    assert np.array_equal(read_film(tmp_path / "other").pixels, pixels(tmp_path, dataset()))


@pytest.mark.parametrize("syntax", [RLE, JLS])
def test_lossless_compression_changes_nothing(tmp_path, syntax):
    made = dataset()
    made.compress(UID(syntax), generate_instance_uid=False)
    assert np.array_equal(pixels(tmp_path, made), pixels(tmp_path, dataset()))


def test_jpeg_2000(tmp_path):
    codestream = io.BytesIO()
    Image.fromarray(RAMP).save(codestream, "JPEG2000", no_jp2=True, irreversible=False)
    made = dataset(bits=16, syntax=J2K)
    made.PixelData = encapsulate([codestream.getvalue()])
    made["PixelData"].VR = "OB"
    assert np.array_equal(pixels(tmp_path, made), pixels(tmp_path, dataset()))


def test_jpeg_baseline(tmp_path):
    stored = (RAMP // 16).astype(np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(stored).save(jpeg, "JPEG", quality=98)
    made = dataset(stored, 8, syntax=JPEG)
    made.PixelData = encapsulate([jpeg.getvalue()])
    made["PixelData"].VR = "OB"
    assert np.abs(pixels(tmp_path, made) - stored / 255).max() < 0.03


def test_old_files_without_preamble(tmp_path):
    made = dataset(syntax=IMPLICIT)
    bare = Dataset({element.tag: element for element in made})
    bare.save_as(tmp_path / "old", implicit_vr=True, little_endian=True, enforce_file_format=False)
    assert (tmp_path / "old").read_bytes()[:2] == b"\x08\x00"
    assert np.array_equal(read_film(tmp_path / "old").pixels, pixels(tmp_path, dataset()))


def test_colour_dicom_becomes_grey_and_says_so(tmp_path):
    grey = (RAMP // 16).astype(np.uint8)
    rgb = np.stack([grey] * 3, -1)
    options = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"}
    film = read_film(write(tmp_path, dataset(rgb, 8, **options)))
    assert np.allclose(film.pixels, grey / 255, atol=1e-6)
    assert film.header.colour == 0
    rgb[..., 2] = 0
    assert read_film(write(tmp_path, dataset(rgb, 8, **options))).header.colour > 0.3


def _no_film(folder: Path) -> dict[str, Path]:
    lossless = dataset(syntax="1.2.840.10008.1.2.4.70")
    lossless.PixelData = encapsulate([b"\xff\xd8\xff\xc3" + bytes(50)])
    whole = write(folder, dataset(), "whole").read_bytes()
    (folder / "cut").write_bytes(whole[:-600])
    (folder / "header only").write_bytes(whole[:180])
    made = {
        "multi-frame DICOM of 3 frames; Medley reads single films; extract": dataset(
            np.concatenate([RAMP] * 3), Rows=32
        ),
        "modality SR without pixel data": dataset(PixelData=None, Modality="SR"),
        "lacks PhotometricInterpretation": dataset(PhotometricInterpretation=None),
        "lacks Rows": dataset(Rows=None),
        "JPEG Lossless": lossless,
        "claims 60000 x 60000": dataset(Rows=60000, Columns=60000),
        "one value": dataset(np.full_like(RAMP, 7)),
    }
    made["multi-frame DICOM of 3 frames; Medley reads single films; extract"].NumberOfFrames = 3
    files = {reason: write(folder, film, f"{number}.dcm") for number, (reason, film) in enumerate(made.items())}
    return files | {"less than expected": folder / "cut", "damaged DICOM": folder / "header only"}


def test_what_is_no_single_film_says_so_in_one_line_that_names_it(tmp_path):
    for reason, path in _no_film(tmp_path).items():
        with pytest.raises(UnreadableImage) as caught:
            read_film(path)
        message = str(caught.value)
        assert reason in message
        assert str(path) in message
        assert "\n" not in message


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, RLE])
def test_a_dicom_that_is_cut_anywhere_is_damaged_or_cut_short_and_pydicom_says_nothing(tmp_path, syntax, recwarn):
    made = dataset() if syntax == RLE else dataset(syntax=syntax)
    if syntax == RLE:
        made.compress(RLE)
    whole = write(tmp_path, made).read_bytes()
    for share in (0.1, 0.2, 0.4, 0.6, 0.9):
        (tmp_path / "cut").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(UnreadableImage, match=r"damaged|cut short"):
            read_film(tmp_path / "cut")
    assert not recwarn.list


def test_jpeg_lossless_names_the_plug_ins(tmp_path):
    pytest.importorskip("pydicom")
    if any(pydicom.pixels.get_decoder(UID("1.2.840.10008.1.2.4.70")).available_plugins):
        pytest.skip("a plug-in for JPEG lossless is installed")
    with pytest.raises(UnreadableImage, match="python-gdcm"):
        read_film(_no_film(tmp_path)["JPEG Lossless"])


def _with_view(**elements) -> Dataset:
    out = Dataset()
    for name, value in elements.items():
        setattr(out, name, value)
    return out


@pytest.mark.parametrize(
    ("elements", "view"),
    [
        ({"ViewPosition": "PA"}, "PA"),
        ({"ViewPosition": "AP "}, "AP"),
        ({"ViewPosition": "LL"}, "LATERAL"),
        ({"ViewPosition": "AP", "SeriesDescription": "CHEST PA"}, "AP"),
        ({"SeriesDescription": "view: PA"}, "PA"),
        ({"SeriesDescription": "Chest LAT"}, "LATERAL"),
        ({"ProtocolName": "W033 Thorax p.a."}, "UNKNOWN"),
        ({"SeriesDescription": "CHEST PA AND LATERAL"}, "UNKNOWN"),
        ({"SeriesDescription": "CHEST_AP_PORTABLE"}, "AP"),
        ({"SeriesDescription": "LEFT LATERAL DECUBITUS"}, "UNKNOWN"),
        ({"SeriesDescription": "Spatial capture"}, "UNKNOWN"),
        ({}, "UNKNOWN"),
    ],
)
def test_views(elements, view):
    assert find_view(_with_view(**elements)) == view


@pytest.mark.parametrize(
    ("meaning", "view"), [("postero-anterior", "PA"), ("antero-posterior", "AP"), ("left lateral", "LATERAL")]
)
def test_view_codes(meaning, view):
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "R-1", "SRT", meaning
    assert find_view(_with_view(ViewCodeSequence=Sequence([code]), SeriesDescription="CHEST")) == view


def test_the_header_keeps_what_is_needed_and_nobody(tmp_path):
    made = dataset(PatientSex="F", PatientAge="006M", BodyPartExamined="CHEST", ViewPosition="PA", ImageLaterality="U")
    film = read_film(write(tmp_path, made))
    header = film.header
    assert (film.view, header.sex, header.age_years, header.body_part) == ("PA", "F", 0.5, "CHEST")
    assert (header.modality, header.bits, header.photometric, header.laterality) == ("DX", 12, "MONOCHROME2", "U")
    assert "Doe" not in repr(header)
    assert "secret" not in repr(header)
    assert np.isnan(read_film(write(tmp_path, dataset(PatientAge="000Y"))).header.age_years)

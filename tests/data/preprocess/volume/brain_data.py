"""What the tests of brain volumes share beside fixtures."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def turned(values: np.ndarray, affine: np.ndarray, codes: str) -> tuple[np.ndarray, np.ndarray]:
    """The same volume stored with other axes, as `LPS` or `ASR`: its affine says so."""
    from nibabel import orientations

    now = orientations.io_orientation(affine)
    turn = orientations.ornt_transform(now, orientations.axcodes2ornt(tuple(codes)))
    return orientations.apply_orientation(values, turn), affine @ orientations.inv_ornt_aff(turn, values.shape)


def write_dicom_series(folder: Path, values: np.ndarray, affine: np.ndarray, **changes: object) -> Path:
    """The volume [X, Y, Z] as MR slices along its last axis, named so that their names do not tell their order."""
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

    folder.mkdir(parents=True, exist_ok=True)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    sizes = np.sqrt((lps[:3, :3] ** 2).sum(0))
    cosines = lps[:3, :3] / sizes
    for place in range(values.shape[2]):
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
        uid = f"1.2.3.{place + 1}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid
        dataset.Modality, dataset.SeriesInstanceUID, dataset.SeriesDescription = "MR", "1.2.3", "AX FLAIR"
        dataset.BodyPartExamined = "HEAD"
        dataset.InstanceNumber = 7  # of no use: all the same
        dataset.ImagePositionPatient = [float(mm) for mm in (lps @ [0, 0, place, 1])[:3]]
        dataset.ImageOrientationPatient = [float(value) for value in (*cosines[:, 0], *cosines[:, 1])]
        dataset.PixelSpacing = [float(sizes[1]), float(sizes[0])]
        dataset.SliceThickness = 99.0  # wrong, and not to be believed
        dataset.Rows, dataset.Columns = values.shape[1], values.shape[0]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 0
        dataset.PixelData = np.ascontiguousarray(values[:, :, place].T.astype("<u2")).tobytes()
        for name, value in changes.items():
            setattr(dataset, name, value)
        dataset.save_as(folder / f"{(place * 37) % 101:03d}.dcm", enforce_file_format=True)
    return folder

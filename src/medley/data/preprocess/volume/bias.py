"""N4 bias field correction (Tustison et al. 2010), where it is asked for: by antspyx or SimpleITK, whichever is there.

Off by default: BraTS volumes are not corrected, FLAIR hyperintensity of a whole lobe looks like a bias field, and a
step that only some sources went through tells them apart. It multiplies; it never resamples.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from medley.core.errors import MissingExtra
from medley.data.preprocess.volume.orient import voxel_mm

_SHRINK_TO_MM = 4.0  # the field is smooth: it is fitted on a coarser volume and applied to the whole


def n4_tool() -> str:
    """The package that will do it. Raises MissingExtra where there is none."""
    for module, package in (("ants", "antspyx"), ("SimpleITK", "SimpleITK")):
        if installed(module):
            return package
    raise MissingExtra("antspyx (or SimpleITK)", "N4 bias field correction", "brain")


def installed(module: str) -> bool:
    """Whether a package is there to be imported; a folder that happens to have its name is none."""
    spec = find_spec(module)
    return spec is not None and spec.origin is not None


def corrected(values: np.ndarray, affine: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The values without their bias field, fitted where `inside`; both [X, Y, Z]. Raises MissingExtra."""
    tool = n4_tool()
    lowest = float(values.min())
    positive = values - min(lowest, 0.0)  # N4 works on logarithms
    spacing = [float(size) for size in voxel_mm(affine)]
    shrink = max(1, int(_SHRINK_TO_MM // max(spacing)))
    by = _by_ants if tool == "antspyx" else _by_simpleitk
    return (positive / by(positive, inside, spacing, shrink)).astype(np.float32)


def _by_ants(values: np.ndarray, inside: np.ndarray, spacing: list[float], shrink: int) -> np.ndarray:
    import ants

    image = ants.from_numpy(np.ascontiguousarray(values, dtype=np.float32), spacing=spacing)
    mask = ants.from_numpy(np.ascontiguousarray(inside, dtype=np.float32), spacing=spacing)
    field = ants.n4_bias_field_correction(image, mask=mask, shrink_factor=shrink, return_bias_field=True)
    return np.maximum(np.asarray(field.numpy(), np.float32), 1e-3)


def _by_simpleitk(values: np.ndarray, inside: np.ndarray, spacing: list[float], shrink: int) -> np.ndarray:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T, dtype=np.float32))
    mask = sitk.GetImageFromArray(np.ascontiguousarray(inside.T, dtype=np.uint8))
    for one in (image, mask):
        one.SetSpacing(spacing)
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.Execute(sitk.Shrink(image, [shrink] * 3), sitk.Shrink(mask, [shrink] * 3))
    field = sitk.Exp(n4.GetLogBiasFieldAsImage(image))
    return np.maximum(sitk.GetArrayFromImage(field).T.astype(np.float32), 1e-3)

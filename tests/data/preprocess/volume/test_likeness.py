"""Is it a brain, the right way up? And the mask of one whose skull is on."""

from __future__ import annotations

import numpy as np
import pytest
from brain_data import turned

from medley.core.errors import UnreadableImage
from medley.core.seeds import generator
from medley.data.preprocess.volume.foreground import stripped_brain
from medley.data.preprocess.volume.grid import TINY_GRID
from medley.data.preprocess.volume.raw import RawVolume
from medley.data.preprocess.volume.tissue import correlation_ratio
from medley.data.preprocess.volume.volume import prepare_volume


def dice(one, two) -> float:
    return 2 * (one & two).sum() / (one.sum() + two.sum())


@pytest.mark.parametrize("kind", ["as it is", "inverted", "other contrast"])
def test_a_brain_is_like_the_template_in_any_contrast(bare, save, kind):
    values = {
        "as it is": bare.values,
        "inverted": np.where(bare.brain, 1100 - bare.values, 0),
        "other contrast": np.where(bare.brain, 300 + np.abs(bare.values - 600), 0),  # grey matter darkest
    }[kind]
    _, record = prepare_volume({"t1": save("a.nii.gz", values, bare.affine)}, TINY_GRID)
    assert record.tissue > 0.15
    assert record.outline > 0.6
    assert record.symmetry > 0.8
    assert record.warnings == ()


@pytest.mark.parametrize("grain", [0, 2])  # voxels of 4 mm
def test_noise_in_the_form_of_a_brain_or_of_an_egg_of_its_size_is_refused(bare, save, grain):
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(generator("noise").normal(0, 1, bare.values.shape), grain)
    noise = 500 + 100 * noise / noise.std()
    x, y, z = np.indices(noise.shape) - np.array(noise.shape).reshape(3, 1, 1, 1) / 2
    egg = (x / 16) ** 2 + (y / 20) ** 2 + (z / 15) ** 2 < 1
    for name, form in (("a.nii.gz", bare.brain), ("b.nii.gz", egg)):
        with pytest.raises(UnreadableImage, match="is no brain that can be recognised"):
            prepare_volume({"t1": save(name, np.where(form, noise, 0), bare.affine)}, TINY_GRID)


def test_shading_and_one_sided_lesions_alone_leave_a_brain_a_brain(bare, save):
    """A coil's shading by a factor of four across the head, and a bright ball of 180 ml on one side."""
    x, y, z = np.indices(bare.values.shape) - np.argwhere(bare.brain).mean(0).reshape(3, 1, 1, 1)
    shaded = bare.values * 2.0 ** (x / 20)
    ill = np.where((x - 9) ** 2 + y**2 + (z - 4) ** 2 < 49, 1200, bare.values)
    for name, values in (("a.nii.gz", shaded), ("b.nii.gz", np.where(bare.brain, ill, 0))):
        _, record = prepare_volume({"t1": save(name, values, bare.affine)}, TINY_GRID)
        assert record.symmetry > 0.15, name
        assert record.warnings == (), name


def test_a_bone_is_refused(save):
    """A bright cylinder with a dark shell and marrow, 500 ml: what a limb looks like."""
    x, y, z = np.indices((90, 90, 130)) - np.array([45, 45, 65]).reshape(3, 1, 1, 1)
    radius = np.hypot(x, y)
    values = np.where(radius < 12, 300, np.where(radius < 18, 60, np.where(radius < 38, 700, 0)))
    values = np.where(np.abs(z) < 62, values, 0) + np.where(radius < 38, 5 * np.sin(z / 3.0), 0)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    with pytest.raises(UnreadableImage, match="is no brain"):
        prepare_volume({"t1": save("a.nii.gz", np.where(values > 20, values, 0), affine)}, TINY_GRID)


@pytest.mark.parametrize(("said", "true"), [("RAI", "RAS"), ("RPS", "RAS"), ("RSA", "RAS"), ("SRA", "ASR")])
def test_a_header_that_turns_the_brain_is_found_out(bare, save, said, true):
    """Stored one way, and the header says another. Left and right stay open: a mirror image looks the same."""
    values, _ = turned(bare.values, bare.affine, true)
    header = np.diag([4.0, 4.0, 4.0, 1.0])
    _, wrong = turned(np.zeros(values.shape), header, said)
    _, record = prepare_volume({"t1": save("a.nii.gz", values, wrong)}, TINY_GRID)
    assert record.looks, record
    mirrored = str.maketrans("LR", "RL")
    assert true in (record.looks, record.looks.translate(mirrored))
    assert any("the header says its axes go" in warning for warning in record.warnings)


def test_a_head_gets_its_brain_s_mask_and_a_warning(head, save):
    from medley.data.preprocess.volume.grid import resample

    volume, record = prepare_volume({"t1": save("a.nii.gz", head.values, head.affine)}, TINY_GRID)
    assert record.mask == "template"
    assert any("the skull is on" in warning for warning in record.warnings)
    true = resample(head.brain.astype(np.float32), head.affine, volume.affine, TINY_GRID.shape) > 0.5
    assert dice(volume.voxels[0] > 0, true) > 0.93


def test_stripped_is_seen_by_a_flat_background_and_the_size_of_a_brain(bare, head):
    from scipy.ndimage import binary_dilation

    def found(values, affine=bare.affine):
        return stripped_brain(RawVolume(None, values.astype(np.float32), affine))

    assert dice(found(bare.values).mask, bare.brain) > 0.99
    assert dice(found(bare.values - 300).mask, bare.brain) > 0.99  # any background value
    near = binary_dilation(bare.brain, iterations=3)
    faint = np.where(near & ~bare.brain, generator("faint").uniform(0, 1, near.shape), bare.values)
    assert dice(found(faint).mask, bare.brain) > 0.98  # what resampling leaves behind
    assert found(head.values, head.affine) is None
    whole_head = np.where(binary_dilation(head.brain, iterations=7), head.values, 0)
    assert found(whole_head, head.affine) is None  # the air is 0, and what is left is larger than a brain
    assert found(bare.values, bare.affine @ np.diag([0.5, 0.5, 0.5, 1])) is None


def test_correlation_ratio():
    classes = np.repeat([0, 1, 2], 50)
    assert correlation_ratio(classes, np.array([5.0, -3.0, 5.0])[classes]) == pytest.approx(1)
    assert correlation_ratio(classes, generator("eta").normal(size=150)) < 0.1
    assert correlation_ratio(classes, np.ones(150)) == 0

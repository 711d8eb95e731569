"""What a study will be, before a voxel is drawn: records that travel between sampling, drawing and writing.

Points are MNI millimetres (x to the patient's right, y forward, z up); lengths are millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Anatomy:
    """What all studies of one person share: none of it depends on a lesion."""

    key: str  # seeds the individual deformation and the texture
    sex: str
    age_years: float
    scale: Triple  # of the head, x, y, z
    ventricle_mm: float  # how far the walls of the ventricles stand outside the template's
    asymmetry_mm: float  # left wider than right, > 0
    atrophy: float  # widening of the sulci, 0 none
    hyperintensity: float  # white-matter hyperintensities of age, 0 none to 1 severe


@dataclass(frozen=True)
class Pose:
    """How the head lay and how the file stores it."""

    turn_deg: Triple  # about x, y, z
    shift_mm: Triple
    voxel: float  # size of the voxels, relative to the base
    axes: str  # of the array in the file, as in "LPS"
    origin_mm: Triple  # where the scanner's isocentre lies in the field


@dataclass(frozen=True)
class Scanner:
    """The physics and the style of one examination: none of it depends on a lesion."""

    key: str  # seeds noise and bias
    bias: float  # depth of the slow shading
    noise: float
    blur_mm: Triple  # of the slices: x, y, z
    gamma: float  # curve of the display
    gain: float
    contrast: float  # of grey to white matter, relative
    strip_mm: float  # how tightly the brain was cut out, > 0 wider


@dataclass(frozen=True)
class Lesion:
    """One tumour. Lengths are those in the finished image, mass effect included."""

    key: str  # seeds its shape
    side: str  # left, right, or midline for one that grows through the corpus callosum
    lobe: str
    centre: Triple  # MNI, before it pushes
    radius_mm: float  # of the core
    stretch: Triple  # of the core along x, y, z
    rough: float  # of its surface, relative to the radius
    reach_mm: float  # of the oedema along white matter; 0 none
    necrosis: float  # radius of the dead centre, relative to the core; 0 none
    enhances: bool
    push_mm: float  # how far it displaces the tissue beside it; 0 none
    shift_mm: float  # of the midline that is wanted with it; 0 none


@dataclass(frozen=True)
class Difficulty:
    """How much of a lesion there is to see, and how much there is to be distracted by."""

    contrast: float  # of lesions to tissue
    size: float
    noise: float
    nuisance: float  # spread of anatomy, pose, scanner


DIFFICULTIES = {
    "easy": Difficulty(contrast=1.15, size=1.15, noise=0.5, nuisance=0.6),
    "default": Difficulty(contrast=1.0, size=1.0, noise=1.0, nuisance=1.0),
    "hard": Difficulty(contrast=0.5, size=0.8, noise=2.2, nuisance=1.4),
}


@dataclass(frozen=True)
class StudyPlan:
    """All that is decided about study number `index` of the cohort `seed`."""

    seed: int
    index: int
    patient_id: str
    anatomy: Anatomy
    pose: Pose
    scanner: Scanner
    lesions: tuple[Lesion, ...]
    difficulty: str

    @property
    def case_id(self) -> str:
        return f"brain-{self.seed}-{self.index}"

    @property
    def dials(self) -> Difficulty:
        return DIFFICULTIES[self.difficulty]

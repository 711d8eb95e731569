"""What is drawn: a tumour changes its neighbourhood only, keeps to its hemisphere, follows white matter and pushes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from medley.core.labels import BRAIN_LOBES
from medley.data.cohorts.brain.draw import ENHANCING, NECROSIS, OEDEMA, draw
from medley.data.cohorts.brain.growth import MM, grow, roads
from medley.data.cohorts.brain.lobes import lobe_at
from medley.data.cohorts.brain.plan import Lesion
from medley.data.cohorts.brain.sampling import plan_study
from medley.data.cohorts.brain.template import load

PX = 64
# a right parietal tumour with all parts
TUMOUR = Lesion(
    key="test",
    side="right",
    lobe="parietal",
    centre=(30.0, -44.0, 30.0),
    radius_mm=17.0,
    stretch=(1.0, 1.0, 1.0),
    rough=0.1,
    reach_mm=16.0,
    necrosis=0.65,
    enhances=True,
    push_mm=8.0,
    shift_mm=9.0,
)


def plan_of(*lesions, index=3):
    return replace(plan_study(5, index, "default"), lesions=lesions)


def distance_mm(drawn):
    """From each voxel to the lesion."""
    return ndimage.distance_transform_edt(drawn.labels == 0, sampling=drawn.grid.size_mm)


@pytest.fixture(scope="module")
def still():
    """The tumour, pushing nothing."""
    return draw(plan_of(TUMOUR), PX, mass_effect=False)


@pytest.fixture(scope="module")
def pushing():
    return draw(plan_of(TUMOUR), PX)


@pytest.fixture(scope="module")
def healthy():
    return draw(plan_of(), PX)


def test_a_healthy_brain_differs_from_its_ill_twin_only_near_the_lesion(still, healthy):
    far = distance_mm(still) > 16
    assert (still.brain == healthy.brain).all()
    assert far[still.brain].mean() > 0.5
    for sequence, image in still.images.items():
        assert (image[far] == healthy.images[sequence][far]).all()
        assert (image[still.labels > 0] != healthy.images[sequence][still.labels > 0]).mean() > 0.9
    assert not healthy.labels.any()
    assert healthy.shift_mm == 0


def test_labels_lie_in_the_brain_and_are_of_the_three_kinds(pushing):
    assert set(np.unique(pushing.labels)) == {0, NECROSIS, OEDEMA, ENHANCING}
    assert pushing.brain[pushing.labels > 0].all()
    assert ((pushing.lesion >= 0) == (pushing.labels > 0)).all()
    assert not pushing.left[pushing.labels > 0].any()
    rim = ndimage.binary_dilation(pushing.labels == NECROSIS) & (pushing.labels != NECROSIS)
    assert (pushing.labels[rim] == ENHANCING).mean() > 0.9  # nearly all round: it is thin in places


def test_each_sequence_shows_the_parts_as_it_should():
    plan = plan_of(TUMOUR)
    drawn = draw(replace(plan, scanner=replace(plan.scanner, bias=0.0)), PX)  # levels, not what a coil makes of them

    def level(sequence, value):
        image = drawn.images[sequence].astype(float)
        tissue = image[drawn.brain & (distance_mm(drawn) > 20)]
        return np.median(image[drawn.labels == value]) / np.median(tissue)

    assert level("flair", OEDEMA) > 1.3
    assert level("flair", ENHANCING) > level("flair", NECROSIS) + 0.4
    assert level("flair", NECROSIS) < 0.85
    assert level("t1", OEDEMA) < 1
    assert level("t1", ENHANCING) < 1 < level("t1c", ENHANCING)  # bright with contrast only
    assert level("t1c", NECROSIS) < 1
    assert level("t2", NECROSIS) > 1.2


@pytest.mark.parametrize(
    ("change", "gone"),
    [({"necrosis": 0.0}, NECROSIS), ({"reach_mm": 0.0}, OEDEMA), ({"enhances": False}, ENHANCING)],
)
def test_each_part_can_be_absent_by_itself(change, gone):
    drawn = draw(plan_of(replace(TUMOUR, **change)), PX, ("flair",))
    assert set(np.unique(drawn.labels)) == {0, NECROSIS, OEDEMA, ENHANCING} - {gone}


@pytest.mark.parametrize("side", ["left", "right"])
def test_mass_effect_moves_the_midline_away_and_collapses_the_near_ventricle(side):
    x, y, z = TUMOUR.centre
    tumour = replace(TUMOUR, side=side, centre=(x if side == "right" else -x, y, z))
    before, after = draw(plan_of(tumour), PX, ("t2",), mass_effect=False), draw(plan_of(tumour), PX, ("t2",))
    # the anatomical border of left and right beside the ventricles, mm along x
    depth, height = slice(17, 21), slice(30, 40)

    def border(drawn):
        right = drawn.brain & ~drawn.left
        edge = np.where(right, np.arange(PX), PX)[depth, height].min(-1)
        return float(edge.mean()) * drawn.grid.size_mm[2]

    moved = border(after) - border(before)
    assert 6 < after.shift_mm < 9.5  # as far as a tumour of this size can push
    assert (moved > 0) == (side == "left")
    assert abs(moved) == pytest.approx(after.shift_mm, rel=0.4)

    # a ventricle is what is deep and as bright on T2 as fluid
    def fluid(drawn, left):
        deep = ndimage.distance_transform_edt(drawn.brain, sampling=drawn.grid.size_mm) > 30
        image = drawn.images["t2"].astype(float)
        bright = image > 1.6 * np.median(image[drawn.brain])
        return int((bright & deep & (drawn.left == left) & (distance_mm(drawn) > 4)).sum())

    near = side == "left"
    assert fluid(before, near) > 30
    assert fluid(after, near) < 0.5 * fluid(before, near)
    assert fluid(after, not near) > 0.6 * fluid(before, not near)


def test_without_a_push_nothing_moves(still):
    assert still.shift_mm == 0
    assert not still.pushed


def test_oedema_prefers_white_matter_to_grey_of_the_same_distance():
    share = []
    for place, centre in enumerate(
        ((30.0, -44.0, 30.0), (-28.0, 20.0, 30.0), (38.0, -55.0, 8.0), (-40.0, -10.0, -22.0))
    ):
        side = "right" if centre[0] > 0 else "left"
        field = grow(replace(TUMOUR, key=str(place), centre=centre, side=side, radius_mm=8, reach_mm=18, rough=0.05), 0)
        net = roads()
        core, way = (values.ravel()[net.place] for values in (field.core, field.way))
        same = (core > 3) & (core < 14) & (np.sign(net.points[0]) == np.sign(centre[0]))
        wet = way < 18
        share.append(net.white[same & wet].mean() - net.white[same & ~wet].mean())
    assert min(share) > 0.1
    assert np.mean(share) > 0.25


def test_oedema_crosses_the_falx_only_through_the_corpus_callosum():
    net = roads()

    def reached_beyond(centre, side, reach=18):  # mm, of a core of 9 mm: the callosum is farther away
        field = grow(replace(TUMOUR, centre=centre, side=side, radius_mm=9, reach_mm=reach), 0)
        beyond = net.points[0] * centre[0] < -16 * MM / 4 if side != "midline" else net.points[0] > 8
        return (field.way.ravel()[net.place][beyond] < reach).sum()

    assert reached_beyond((8.0, 58.0, 10.0), "right") == 0  # the frontal pole beside the falx
    assert reached_beyond((-8.0, -20.0, 62.0), "left") == 0  # above the callosum
    assert reached_beyond((0.0, 26.0, 10.0), "midline", 30) > 5


def test_oedema_never_fills_a_ventricle():
    drawn = draw(plan_of(replace(TUMOUR, centre=(22.0, -34.0, 24.0), reach_mm=24.0)), PX, ("flair",), mass_effect=False)
    bare = draw(plan_of(), PX, ("t2",)).images["t2"].astype(float)
    deep = ndimage.distance_transform_edt(drawn.brain, sampling=drawn.grid.size_mm) > 30
    fluid = deep & (bare > 1.6 * np.median(bare[drawn.brain]))
    assert fluid.sum() > 50
    assert (drawn.labels[fluid] > 0).mean() < 0.1


def test_lobes_are_where_anatomy_has_them():
    known = {  # MNI millimetres of places that nobody disputes
        "frontal": [(-30, 50, 10), (40, 30, 30), (-6, 40, 30)],
        "parietal": [(-45, -60, 45), (8, -62, 45), (50, -35, 42)],
        "temporal": [(-55, -10, -25), (40, 10, -35), (-60, -35, 0)],
        "occipital": [(-10, -92, 5), (25, -90, 10)],
        "insula": [(-38, 6, 0), (38, 0, 4)],
        "deep": [(-12, -18, 8), (24, 4, 2), (0, 26, 8)],
        "cerebellum": [(-25, -65, -40), (0, -65, -35)],
        "brainstem": [(0, -28, -34), (4, -24, -20)],
    }
    for lobe, points in known.items():
        found = lobe_at(np.array(points, np.float32).T)
        assert [BRAIN_LOBES[place] for place in found] == [lobe] * len(points)


def test_the_template_is_symmetric_and_its_ventricles_are_two_and_equal():
    template = load(2.5)
    points = template.points()
    inside = template.ventricle < 0
    millilitres = inside.sum() * template.mm**3 / 1000
    assert 12 < millilitres < 60
    left, right = (inside & (points[0] < -2)).sum(), (inside & (points[0] > 2)).sum()
    assert abs(left - right) < 0.12 * right
    assert template.depth[inside].min() > 8


@pytest.mark.parametrize("px", [64, 128])
def test_the_same_study_is_the_same_brain_at_any_resolution(px):
    drawn = draw(plan_of(TUMOUR), px, ("flair",))
    millilitres = float(np.prod(drawn.grid.size_mm)) / 1000
    assert drawn.images["flair"].shape == (px // 2, px, px)
    assert 1000 < drawn.brain.sum() * millilitres < 2300
    assert drawn.shift_mm == pytest.approx(draw(plan_of(TUMOUR), PX, ("flair",)).shift_mm, abs=1)
    assert 25 < (drawn.labels > 0).sum() * millilitres < 120

"""Which sequences a study has, how its volumes lie in space, whether they lie together, and whether that is a brain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from medley.core.counts import counted
from medley.core.records import SEQUENCES
from medley.data.cases import CaseTable
from medley.data.checks.looks import Look, is_volume
from medley.data.checks.result import FAILED, OK, WARNING, Check, not_applicable, verdict
from medley.data.checks.volumes.facts import VolumeFacts
from medley.data.checks.volumes.study import StudyFacts

NAMES = ("missing-sequences", "volume-geometry", "sequences-in-one-space", "looks-like-a-brain")
NO_VOLUME = "the table names no brain volume"
NOT_READ = "the table has no volume that can be read"
_THICK_MM = 8.0  # slices from here on hide lesions, or the header is wrong
_UNEVEN = 12.0  # longest to shortest side of a voxel: 0.5 x 0.5 x 6 mm are usual
_FIELD_MM = 400.0  # of view: no head coil takes more


def check_sequences(table: CaseTable, looks: Sequence[Look]) -> Check:
    """A warning where studies lack a sequence that others have, or name one twice: a model of that sequence leaves them
    out."""
    name = NAMES[0]
    named = {case.case_id: Counter(image.view for image in case.images if is_volume(image)) for case in table.cases}
    named = {case_id: views for case_id, views in named.items() if views}
    if not named:
        return not_applicable(name, NO_VOLUME)
    readable = Counter((look.case_id, look.view) for look in looks if look.volume is not None)
    usual = [sequence for sequence in SEQUENCES if any(views[sequence] for views in named.values())]
    bad, lacking = [], Counter[str]()
    for case_id, views in named.items():
        absent = [sequence for sequence in usual if not readable[case_id, sequence]]
        lacking.update(absent)
        if absent:
            broken = [sequence for sequence in absent if views[sequence]]
            why = f" ({', '.join(broken)} cannot be read)" if broken else ""
            bad.append(f"case {case_id} lacks {', '.join(absent)}{why}")
        twice = [sequence for sequence in usual if views[sequence] > 1]
        if twice:
            bad.append(f"case {case_id} has more than one {', '.join(twice)}")
    told = ", ".join(f"{sequence} in {len(named) - lacking[sequence]}" for sequence in usual)
    wrong = f"not all of {counted(len(named), 'study')} have each sequence once: {told}"
    todo = "a model of four sequences leaves these out: train on those that all have, or find the files"
    fine = f"{', '.join(usual)} in each of {counted(len(named), 'study')}"
    return verdict(name, bad, fine, wrong, todo, WARNING, lacking={name: lacking[name] for name in usual})


def check_geometry(looks: Sequence[Look]) -> Check:
    """A warning where the header says what no scan of a head has, or cannot be trusted to know left from right."""
    name = NAMES[1]
    volumes = _volumes(looks)
    if not volumes:
        return not_applicable(name, NOT_READ if looks else NO_VOLUME)
    bad = [f"{look.path}: {said}" for look, one in volumes for said in (*one.warnings, *_odd(one))]
    axes = Counter(one.axes for _, one in volumes)
    sizes = Counter(" x ".join(f"{mm:.2g}" for mm in one.size_mm) for _, one in volumes)
    stored = ", ".join(f"{count} {codes}" for codes, count in axes.most_common())
    usual, count = sizes.most_common(1)[0]
    fine = f"axes as stored: {stored}; voxels mostly {usual} mm ({count} of {len(volumes)})"
    todo = "set the header from the original (DICOM), never by guess: which side is left hangs on it"
    wrong = f"{counted(len({line.partition(': ')[0] for line in bad}), 'volume')} of an odd place or grid; {fine}"
    return verdict(name, bad, fine, wrong, todo, WARNING, axes=dict(axes), voxel_mm=dict(sizes))


def _odd(one: VolumeFacts) -> list[str]:
    said = []
    if one.identity:
        said.append("its affine is the identity, which programs write when the real one is lost: left may be right")
    if max(one.size_mm) >= _THICK_MM or max(one.size_mm) / min(one.size_mm) >= _UNEVEN:
        said.append(f"voxels of {' x '.join(f'{mm:.3g}' for mm in one.size_mm)} mm")
    extent = [mm * side for mm, side in zip(one.size_mm, one.shape, strict=True)]
    if max(extent) > _FIELD_MM:
        said.append(f"a field of view of {' x '.join(f'{mm:.0f}' for mm in extent)} mm")
    return said


def check_together_in_space(looks: Sequence[Look]) -> Check:
    """`failed` where the files of a study do not lie in one space (training refuses it), a warning where they hardly
    do."""
    name = NAMES[2]
    studies = [look for look, one in _volumes(looks) if one.study is not None]
    several = Counter(look.case_id for look, _ in _volumes(looks))
    pairs = [look for look in studies if several[look.case_id] > 1]
    if not pairs:
        return not_applicable(name, "no study has two volumes that can be read" if looks else NO_VOLUME)
    apart = [_study(look).apart for look in pairs if _study(look).apart]
    near = [f"case {look.case_id}: {said}" for look in pairs for said in _study(look).together]
    todo = "co-register the sequences of each study (nothing here does), or drop what lies elsewhere"
    if apart:
        wrong = f"{counted(len(apart), 'study')} whose sequences do not lie in one space; {len(near)} more doubts"
        return Check(name, FAILED, len(apart), wrong, todo, (*apart, *near))
    fine = f"one space for the sequences of each of {counted(len(pairs), 'study')}"
    return verdict(name, near, fine, f"{counted(len(near), 'sequence')} that hardly fit the others", todo, WARNING)


def check_brains(table: CaseTable, looks: Sequence[Look]) -> Check:
    """`failed` where a volume is no brain that can be recognised, a warning where it hardly is, or lies another way up.
    By the outline and the tissues of the MNI152 template; a mirror image cannot be told."""
    name = NAMES[3]
    found = [look for look, one in _volumes(looks) if one.study is not None]
    asked = [look for look in found if not table.by_id[look.case_id].synthetic]
    if not found:
        return not_applicable(name, NOT_READ if looks else NO_VOLUME)
    # a generated one is asked for its mask alone, and an empty one is found that way, too
    none = [_study(look).no_brain for look in found if _study(look).no_brain]
    if not asked and not none:
        return not_applicable(name, f"{counted(len(found), 'study')}, all generated and known to be brains")
    doubts = [f"case {look.case_id}: {said}" for look in asked for said in _study(look).unlike]
    skulls = Counter(_study(look).skull for look in asked if _study(look).skull)
    told = ", ".join(f"{count} {_SKULL[kind]}" for kind, count in skulls.most_common())
    numbers = {"skull": dict(skulls), "generated": len(found) - len(asked)}
    todo = "look at these (`medley preprocess brains` draws their slices); mend the headers from the originals"
    if none:
        wrong = f"{counted(len(none), 'study')} in which no brain can be recognised; {len(doubts)} more doubts; {told}"
        return Check(name, FAILED, len(none), wrong, todo, (*none, *doubts), numbers)
    if doubts:
        wrong = f"{counted(len(doubts), 'study')} that hardly look like a brain the right way up; {told}"
        return Check(name, WARNING, len(doubts), wrong, todo, tuple(doubts), numbers)
    return Check(
        name, OK, 0, f"a brain the right way up in each of {counted(len(asked), 'study')}: {told}", numbers=numbers
    )


_SKULL = {"stripped": "stripped of the skull", "given": "with a mask given", "on": "with the skull on"}


def _volumes(looks: Sequence[Look]) -> list[tuple[Look, VolumeFacts]]:
    return [(look, look.volume) for look in looks if look.volume is not None]


def _study(look: Look) -> StudyFacts:
    assert look.volume is not None
    assert look.volume.study is not None
    return look.volume.study

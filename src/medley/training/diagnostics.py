"""After a stage: does what the model writes come from the volume? STAGE/diagnostics.json and its picture.

Some dev studies are read as they are (real), empty (zero), with their voxels in any order (shuffled), and as noise.
What a report tells of its patient is how much more it is like the report of the patient's own brain than like those of
other patients' brains (Lin 2004, ROUGE-L):

    told(i) = ROUGE-L(report of what was made of brain i, report of brain i)
            - mean over j != i of ROUGE-L(the same, report of brain j)

Of the brains themselves it must be well above 0: else everybody gets one report. Of all else it must be 0: of shuffled
voxels it is more where the model reads brightness at large. Each is given with its interval over patients.
Noise is Gaussian with a deviation of 0.2 about the middle of SigLIP's scale of [-1, 1]. What is said of the tokens is
what the language model reads of an image: their mean, deviation, extremes and length, and their cosine to the tokens of
the brain itself.

Shapes: N studies, D H W voxels, K tokens, E their width.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from medley.core.errors import MedleyError
from medley.core.family import Family, Processor, to_device
from medley.core.files import whole_file, write_json
from medley.core.precision import as_precise
from medley.core.records import Study
from medley.core.seeds import generator
from medley.data.source import Source
from medley.evaluation.statistics import Metric, bootstrap, with_interval
from medley.evaluation.text.rouge import rouge_part
from medley.evaluation.text.tokens import rouge_tokens

DIAGNOSTICS = "diagnostics.json"
INPUTS = ("real", "zero", "shuffled", "noise")
_STUDIES, _RESAMPLES, _SHOWN = 24, 1000, 8
_Read = tuple[torch.Tensor, list[str]]


def told_already(folder: Path) -> bool:
    """Whether the stage in this folder has its diagnostics."""
    return (folder / DIAGNOSTICS).is_file()


def diagnose(
    family: Family,
    model: nn.Module,
    processor: Processor,
    source: Source,
    seed: int,
    accelerator: str,
    precision: str,
    out: Path,
) -> str:
    """Read, score and write to `out`; returns one line. It runs where and as precisely as the training did."""
    where = "cuda" if accelerator == "gpu" else "cpu"
    cases = source.parts["dev"]
    chosen = generator("diagnostics", seed).permutation(len(cases))[:_STUDIES]
    studies = [source.study(cases[row], source.groups(cases[row])[0]) for row in chosen]
    model.eval().to(where)
    try:
        with torch.inference_mode(), as_precise(where, precision):
            shown = {name: [changed(study, name, seed) for study in studies] for name in INPUTS}
            read = {name: _read(family, model, processor, some, where) for name, some in shown.items()}
    finally:
        model.cpu()
    told = told_of_the_patient({name: said for name, (_, said) in read.items()}, _patients(studies), seed)
    told_json = {name: dataclasses.asdict(metric) for name, metric in told.items()}
    tokens = {name: _tokens(memory, read["real"][0]) for name, (memory, _) in read.items()}
    ids = [study.case.case_id for study in studies]
    reports = {name: dict(zip(ids, said, strict=True)) for name, (_, said) in read.items()}
    _draw({name: (some[0], read[name][1][0]) for name, some in shown.items()}, out / "diagnostics.png")
    write_json(out / DIAGNOSTICS, {"seed": seed, "told": told_json, "tokens": tokens, "reports": reports})
    return _sentence(told)


def _patients(studies: Sequence[Study]) -> list[str]:
    return [study.case.patient_id for study in studies]


def changed(study: Study, name: str, seed: int) -> Study:
    """The study with its volume as it is (real), empty (zero), with its voxels in any order (shuffled), or as noise."""
    assert study.volume is not None
    rng, voxels = generator("diagnostics", name, seed, study.case.case_id), study.volume.voxels
    if name == "zero":
        voxels = np.zeros_like(voxels)
    elif name == "shuffled":
        voxels = rng.permutation(voxels.reshape(len(voxels), -1), axis=1).reshape(voxels.shape)
    elif name == "noise":
        grey = 0.5 + 0.5 * np.clip(0.2 * rng.standard_normal(voxels.shape, dtype=np.float32), -1, 1)
        voxels = np.rint(255 * grey).astype(np.uint8)
    return dataclasses.replace(study, volume=dataclasses.replace(study.volume, voxels=voxels))


def _read(family: Family, model: nn.Module, processor: Processor, studies: Sequence[Study], where: str) -> _Read:
    """What the language model reads of each study [N, K, E], and the report that it writes."""
    assert family.write is not None
    memory, said = [], []
    for at in range(0, len(studies), 8):
        output = model(to_device(processor(studies[at : at + 8]), where))
        memory.append(output.memory_BKE.float().cpu())
        said += [" ".join(report.sections.values()) for report in family.write(model, processor, output)]
    return torch.cat(memory), said


def told_of_the_patient(reports: Mapping[str, Sequence[str]], patients: Sequence[str], seed: int) -> dict[str, Metric]:
    """Input -> `told`, its mean over the studies, of reports by input; `real` are those of the brains themselves."""
    n = len(patients)
    if n < 2:
        raise MedleyError(f"diagnostics compare patients, and the dev part has {n}")
    real, own = [rouge_tokens(text) for text in reports["real"]], np.eye(n, dtype=bool)
    found = {}
    for name, texts in reports.items():
        tokens = [rouge_tokens(text) for text in texts]
        pairs = rouge_part([tokens[i] for i in range(n) for _ in range(n)], real * n).by_report["rouge_l"]
        like_NN = np.nan_to_num(pairs.reshape(n, n))  # a report without a word is like none
        told_N = like_NN[own] - like_NN[~own].reshape(n, n - 1).mean(1)
        found[name] = _mean(told_N, patients, seed)
    return found


def _mean(values_N: np.ndarray, patients: Sequence[str], seed: int) -> Metric:
    samples_R = bootstrap(
        lambda weights_NR: {"": values_N @ weights_NR / weights_NR.sum(0)}, patients, resamples=_RESAMPLES, seed=seed
    )[""]
    return with_interval(float(values_N.mean()), samples_R, n=len(values_N), n_patients=len(set(patients)))


def _tokens(memory_NKE: torch.Tensor, real_NKE: torch.Tensor) -> dict[str, float]:
    return {
        "mean": float(memory_NKE.mean()),
        "std": float(memory_NKE.std()),
        "min": float(memory_NKE.min()),
        "max": float(memory_NKE.max()),
        "norm": float(memory_NKE.norm(dim=-1).mean()),
        "cosine_to_real": float(F.cosine_similarity(memory_NKE, real_NKE, dim=-1).mean()),
    }


def _sentence(told: Mapping[str, Metric]) -> str:
    values = ", ".join(f"{name} {metric.value:.2f}" for name, metric in told.items() if metric.value is not None)
    above = [name for name, metric in told.items() if metric.ci95 is not None and metric.ci95[0] > 0]
    if "real" not in above:
        return f"the reports tell nothing of the patient yet ({values})"
    if len(above) > 1:
        return f"the reports tell of the patient without the brain, too: {', '.join(above[1:])} ({values})"
    return f"the reports tell of the patient, and of nobody without the brain ({values})"


def _draw(shown: Mapping[str, tuple[Study, str]], out: Path) -> None:
    """A row an input: slices from below to above, the patient's left on the left, and the report."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.4 * _SHOWN, 1.9 * len(shown)), layout="constrained")
    rows = figure.subfigures(len(shown), 1, squeeze=False)[:, 0]
    for part, (name, (study, said)) in zip(rows, shown.items(), strict=True):
        assert study.volume is not None
        voxels_DHW = study.volume.voxels[0]
        part.suptitle(textwrap.shorten(f"{name}: {said}", 180), fontsize=7, x=0.01, ha="left")
        depths = np.linspace(0, len(voxels_DHW) - 1, _SHOWN + 2)[1:-1].round().astype(int)
        for axis, depth in zip(part.subplots(1, _SHOWN), depths, strict=True):
            axis.imshow(voxels_DHW[depth, ::-1], cmap="gray", vmin=0, vmax=255)
            axis.set_axis_off()
    with whole_file(out) as temporary:
        figure.savefig(temporary, format="png", dpi=110)

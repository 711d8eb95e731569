"""Real films: ours beside TorchXRayVision's DenseNet-121, from scratch, on the same shards, folds and minutes.

    python benchmarks/real_films.py --cases runs/nih_1000/cases.parquet --work runs/real_films

Five patient-grouped folds: every study is tested once, by models that never saw its patient. Per fold, ours is trained
by recipes/cxr_reasoner/nih_1000.yaml, whose epochs must fit --minutes, then the peer for --minutes (or as long as ours
took, where that was longer), both to their best dev epoch. The test parts are pooled; the paired difference of macro
AUROC has a patient-clustered interval. How to make the table stands at the head of the recipe. The peer is optional:
`pip install torchxrayvision`, best into an environment of its own (PYTHONPATH); without it its rows are null and say
why. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medley.core.errors import MedleyError
from medley.core.files import read_json, write_json
from medley.core.seeds import generator, seed_torch
from medley.data.cases import CaseTable, read_cases
from medley.data.shards import build_shards, open_shards
from medley.data.splits import SplitManifest, folds, write_splits
from medley.evaluation.classification import macro_labels, support
from medley.evaluation.floors.simple import thumbnail_scores
from medley.evaluation.ranking import auroc, auroc_of, pairs_of, rank, ratio
from medley.evaluation.statistics import bootstrap, with_interval

RECIPE = Path(__file__).parents[1] / "recipes/cxr_reasoner/nih_1000.yaml"
SYSTEMS = ("ours", "peer")
TITLES = {
    "ours": "ours",
    "peer": "TorchXRayVision DenseNet-121",
    "thumbnail": "floor: logistic regression on 32 x 32",
    "view": "floor: the view alone (AP or PA)",
    "prevalence": "floor: the training part's prevalence",
    "ours - peer": "ours - TorchXRayVision",
    "ours - thumbnail": "ours - the 32 x 32 floor",
}
# scripts/train_model.py and train_utils.py of TorchXRayVision (commit f4087a0, June 2026): their defaults
PEER_BATCH, PEER_RATE, PEER_DECAY = 64, 1e-3, 1e-5
PEER_DEGREES, PEER_SHIFT, PEER_SCALE = 45, 0.15, 0.15


@dataclass(frozen=True)
class Data:
    """The table as arrays, row by row. Shapes: N studies, H W pixels, L labels."""

    table: CaseTable
    films_NHW: np.ndarray  # uint8
    labels_NL: np.ndarray  # 1, 0, nan
    patient_N: list[str]
    is_ap_N: np.ndarray

    def rows(self, fold: SplitManifest, part: str) -> np.ndarray:
        """Row numbers of a part."""
        wanted = set(fold.parts[part])
        return np.array([row for row, case in enumerate(self.table.cases) if case.case_id in wanted])


def read_data(cases: Path, shards: Path, px: int) -> Data:
    """The table's studies, one film each, from shards."""
    table = read_cases(cases)
    if several := [case.case_id for case in table.cases if len(case.images) != 1]:
        raise MedleyError(f"{cases}: case '{several[0]}' has more or less than one film; this benchmark reads one")
    build_shards(table, shards, px)
    stored = open_shards(shards, px)
    return Data(
        table,
        np.stack([stored.film(case.images[0]).pixels for case in table.cases]),
        np.array([[case.labels[name] for name in table.labels] for case in table.cases]),
        [case.patient_id for case in table.cases],
        np.array([case.images[0].view == "AP" for case in table.cases]),
    )


def macro_auroc(labels_NL: np.ndarray, scores_NL: np.ndarray, names: Sequence[str]) -> float:
    """What both systems pick their best epoch by: mean AUROC over the labels with 10 positives and 10 negatives."""
    columns, _ = macro_labels(labels_NL, names)
    return float(np.mean([auroc(labels_NL[:, column], scores_NL[:, column]) for column in columns]))


# -- the two systems ------------------------------------------------------------------------------------------------


def run_ours(cases: Path, splits: Path, shards: Path, run: Path, seed: int, settings: Sequence[str]) -> dict[str, Any]:
    """Train the recipe on this fold and predict its test part: {scores, seconds, epochs, ...}."""
    import medley
    from medley.serving.scoring.parts import predict_part
    from medley.serving.scoring.run import own_source
    from medley.training.curves import read_journal
    from medley.training.recipe import load_recipe
    from medley.training.stages import train

    where = [f"data.cases={cases}", f"data.splits={splits}", f"data.shards={shards}", f"seed={seed}"]
    recipe = load_recipe(RECIPE, [*settings, *where])
    shutil.rmtree(run, ignore_errors=True)
    start, cpu = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(sys.stderr):  # the progress bar
        train(recipe, run)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    dev = [line for line in read_journal(run / "1-joint" / "metrics.jsonl") if "auroc_macro" in line]
    predictor = medley.load(run)
    predictions = predict_part(predictor, own_source(predictor), "test")
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "epochs": len(dev),
        "best_epoch": max(dev, key=lambda line: line["auroc_macro"])["epoch"],
        "dev_auroc_macro": [line["auroc_macro"] for line in dev],
        "parameters": sum(p.numel() for p in predictor.model.parameters()),
        "scores": {p.case_id: [p.scores[name] for name in predictor.labels] for p in predictions},
    }


def run_peer(data: Data, fold: SplitManifest, seconds: float, seed: int) -> dict[str, Any]:
    """Their model class, loss, optimiser and augmentation for `seconds`, their best dev epoch on the test part."""
    import torchxrayvision as xrv
    from torchvision.transforms import Compose, RandomAffine, ToTensor

    train, dev, test = (data.rows(fold, part) for part in ("train", "dev", "test"))
    films_N1HW = np.stack([xrv.utils.normalize(film, 255)[None] for film in data.films_NHW])
    targets_NL = torch.from_numpy(data.labels_NL).float()
    affine = RandomAffine(
        PEER_DEGREES, translate=(PEER_SHIFT, PEER_SHIFT), scale=(1 - PEER_SCALE, 1 + PEER_SCALE), fill=0
    )
    augment = Compose([xrv.datasets.ToPILImage(), affine, ToTensor()])
    seed_torch("peer", seed)
    start, cpu = time.perf_counter(), time.process_time()
    model = xrv.models.DenseNet(num_classes=len(data.table.labels), **xrv.models.get_densenet_params("densenet121"))
    optimizer = torch.optim.Adam(model.parameters(), lr=PEER_RATE, weight_decay=PEER_DECAY, amsgrad=True)
    positives_L = np.nansum(data.labels_NL[train], axis=0)  # their task weights: rarer labels weigh more
    weight_L = positives_L.max() - positives_L + positives_L.mean()
    weight_L = torch.from_numpy(weight_L / weight_L.max()).float()

    @torch.inference_mode()
    def predict(rows: np.ndarray) -> np.ndarray:
        model.eval()
        films = torch.from_numpy(films_N1HW[rows])
        return torch.cat([model(films[at : at + PEER_BATCH]) for at in range(0, len(rows), PEER_BATCH)]).numpy()

    history: list[float] = []
    best_weights: dict[str, torch.Tensor] = {}
    while time.perf_counter() - start < seconds:
        model.train()
        order = train[generator("peer order", seed, len(history)).permutation(len(train))]
        for at in range(0, len(order), PEER_BATCH):
            batch = order[at : at + PEER_BATCH]
            logits_BL = model(torch.stack([augment(films_N1HW[row]) for row in batch]))
            loss = peer_loss(logits_BL, targets_NL[batch], weight_L)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(macro_auroc(data.labels_NL[dev], predict(dev), data.table.labels))
        if history[-1] == max(history):
            best_weights = {name: value.clone() for name, value in model.state_dict().items()}
    spent, cpu = time.perf_counter() - start, time.process_time() - cpu
    model.load_state_dict(best_weights)
    scores_NL = predict(test)
    return {
        "seconds": spent,
        "cpu_seconds": cpu,
        "epochs": len(history),
        "best_epoch": int(np.argmax(history)) + 1,
        "dev_auroc_macro": history,
        "parameters": sum(p.numel() for p in model.parameters()),
        "scores": {data.table.cases[row].case_id: scores.tolist() for row, scores in zip(test, scores_NL, strict=True)},
    }


def peer_loss(logits_BL: torch.Tensor, targets_BL: torch.Tensor, weight_L: torch.Tensor) -> torch.Tensor:
    """Weighted sum over labels of the mean BCE over its known targets."""
    known_BL = ~targets_BL.isnan()
    loss_BL = torch.nn.functional.binary_cross_entropy_with_logits(logits_BL, targets_BL.nan_to_num(), reduction="none")
    return (weight_L * (loss_BL * known_BL).sum(0) / known_BL.sum(0).clamp(min=1)).sum()


# -- floors and scores ----------------------------------------------------------------------------------------------


def floor_scores(data: Data, fold: SplitManifest) -> dict[str, np.ndarray]:
    """name -> scores [n, L] of the fold's test part, of what needs no look at the film or hardly one."""
    train, test = data.rows(fold, "train"), data.rows(fold, "test")
    labels_NL = data.labels_NL[train]
    by_view = np.stack([np.nanmean(labels_NL[data.is_ap_N[train] == is_ap], axis=0) for is_ap in (False, True)])
    # a label that the train part shows in one class only has no probe: it gets the constant answer
    return {
        "thumbnail": np.nan_to_num(thumbnail_scores(data.films_NHW[train], labels_NL, data.films_NHW[test])),
        "view": by_view[data.is_ap_N[test].astype(int)],
        "prevalence": np.broadcast_to(np.nanmean(labels_NL, axis=0), (len(test), labels_NL.shape[1])),
    }


def pooled_auroc(labels_N: np.ndarray, scores_N: np.ndarray, fold_N: np.ndarray) -> Callable:
    """AUROC over all studies as one list, as a function of case weights."""
    ranking = rank(labels_N, scores_N)
    return lambda weights: auroc_of(ranking, weights)


def within_fold_auroc(labels_N: np.ndarray, scores_N: np.ndarray, fold_N: np.ndarray) -> Callable:
    """AUROC over the pairs that one model scored: pairs of different folds, whose models differ in scale, left out."""
    rankings = [rank(np.where(fold_N == fold, labels_N, np.nan), scores_N) for fold in np.unique(fold_N)]

    def of(weights: np.ndarray) -> np.ndarray:
        won, pairs = np.sum([pairs_of(ranking, weights) for ranking in rankings], axis=0)
        return ratio(won, pairs)

    return of


def score(data: Data, scores: dict[str, np.ndarray], fold_N: np.ndarray, resamples: int, seed: int) -> dict[str, Any]:
    """Pooled and within-fold AUROC of every system, per label and macro, and ours minus theirs, with intervals."""
    names = data.table.labels
    columns, left_out = macro_labels(data.labels_NL, names)
    positives_L, _, _ = support(data.labels_NL)
    found: dict[str, Any] = {
        "labels": {names[column]: int(positives_L[column]) for column in columns},
        "left_out": left_out,
    }
    for how, auroc_by in (("pooled", pooled_auroc), ("within_fold", within_fold_auroc)):
        of = {
            (system, names[column]): auroc_by(data.labels_NL[:, column], values[:, column], fold_N)
            for system, values in scores.items()
            for column in columns
        }

        def statistics(weights: np.ndarray, of: dict = of) -> dict[Any, np.ndarray]:
            values = {key: one(weights) for key, one in of.items()}
            for system in scores:
                values[system, "macro"] = np.mean([values[system, names[column]] for column in columns], axis=0)
            for other in {"peer", "thumbnail"} & set(scores):
                for name in ("macro", *found["labels"]):
                    values[f"ours - {other}", name] = values["ours", name] - values[other, name]
            return values

        samples = bootstrap(statistics, data.patient_N, resamples=resamples, seed=seed)
        everyone = statistics(np.ones((len(fold_N), 1)))
        n, patients = len(fold_N), len(set(data.patient_N))
        found[how] = {}
        for (system, name), value in everyone.items():
            metric = with_interval(float(value[0]), samples[system, name], n=n, n_patients=patients)
            found[how].setdefault(system, {})[name] = metric.as_json()
    return found


# -- the run --------------------------------------------------------------------------------------------------------


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All folds of both systems, the floors, and the scores."""
    from medley.training.recipe import load_recipe

    px = load_recipe(RECIPE, options.settings).model["image_px"]
    work, shards = options.work.resolve(), options.work.resolve() / f"shards-{px}"
    data = read_data(options.cases.resolve(), shards, px)
    asked = {name: getattr(options, name) for name in ("seed", "folds", "dev_fraction", "minutes", "settings")}
    claim(work, {"table_digest": data.table.digest, **asked})
    fold_N = np.full(len(data.table), -1)
    scores: dict[str, np.ndarray] = {}
    runs: dict[str, list[dict[str, Any]]] = {system: [] for system in SYSTEMS}
    missing = why_no_peer()
    for k, fold in enumerate(folds(data.table, options.folds, options.seed, options.dev_fraction)):
        splits, seed, test = work / f"fold{k}.json", options.seed + k, data.rows(fold, "test")
        write_splits(splits, fold)
        fold_N[test] = k
        run = partial(run_ours, options.cases.resolve(), splits, shards, work / f"run{k}", seed, options.settings)
        found = {"ours": kept(work / f"ours{k}.json", run)}
        if missing is None:
            seconds = max(60 * options.minutes, found["ours"]["seconds"])
            found["peer"] = kept(work / f"peer{k}.json", partial(run_peer, data, fold, seconds, seed))
        for system, one in found.items():
            ids = [data.table.cases[row].case_id for row in test]
            into = scores.setdefault(system, np.full(data.labels_NL.shape, np.nan))
            into[test] = [one["scores"][case_id] for case_id in ids]
            runs[system].append({key: value for key, value in one.items() if key != "scores"})
            best, epochs = max(one["dev_auroc_macro"]), one["epochs"]
            print(f"fold {k} {system:5s} {one['seconds']:5.0f} s, {epochs:3d} epochs, best dev {best:.3f}", flush=True)
        for name, values in floor_scores(data, fold).items():
            scores.setdefault(name, np.full(data.labels_NL.shape, np.nan))[test] = values
    return {
        **score(data, scores, fold_N, options.bootstrap, options.seed),
        "peer_missing": missing,
        "runs": runs,
        "studies": len(data.table),
        "patients": len(set(data.patient_N)),
        "table_digest": data.table.digest,
        **asked,
        "px": px,
        "bootstrap": options.bootstrap,
        "command": " ".join([Path(sys.executable).name, *sys.argv]),
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count(), "torch_threads": torch.get_num_threads()},
        "load_average_at_end": os.getloadavg()[0],
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
    }


def why_no_peer() -> str | None:
    """None where TorchXRayVision can be imported, else the reason that stands in its rows."""
    try:
        import torchxrayvision  # noqa: F401
    except ImportError as error:
        return f"null: torchxrayvision is not installed ({error})"
    return None


def claim(work: Path, settings: dict[str, Any]) -> None:
    """A work folder belongs to one table, seed, number of folds and recipe."""
    settings = {**settings, "recipe": RECIPE.read_text(encoding="utf-8")}
    path = work / "settings.json"
    if path.is_file() and read_json(path) != settings:
        raise MedleyError(f"{work} holds a run with other settings; choose another --work or remove it")
    write_json(path, settings)


def kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result at `path`, made now if it is not there."""
    if not path.is_file():
        write_json(path, make())
    return read_json(path)


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def show(result: dict[str, Any]) -> None:
    """Macro rows of both ways to average, then a row a label."""

    def cell(metric: dict[str, Any]) -> str:
        return f"{metric['value']:.3f} [{metric['ci95'][0]:.3f}, {metric['ci95'][1]:.3f}]" if metric["ci95"] else "-"

    print(f"{'macro AUROC over ' + str(len(result['labels'])) + ' labels':40s} {'pooled':>22s} {'within folds':>22s}")
    for system, title in TITLES.items():
        if system in result["pooled"]:
            rows = [cell(result[how][system]["macro"]) for how in ("pooled", "within_fold")]
            print(f"{title:40s} {rows[0]:>22s} {rows[1]:>22s}")
    if result["peer_missing"]:
        print(f"{TITLES['peer']:40s} {result['peer_missing']}")
    shown = [
        system for system in TITLES if system in result["pooled"] and system not in ("prevalence", "ours - thumbnail")
    ]
    print(f"\n{'pooled AUROC':20s} {'positives':>9s} " + " ".join(f"{system:>22s}" for system in shown))
    for name, positives in result["labels"].items():
        row = " ".join(f"{cell(result['pooled'][system][name]):>22s}" for system in shown)
        print(f"{name:20s} {positives:9d} {row}")
    print("left out: " + "; ".join(f"{name} ({why})" for name, why in result["left_out"].items()))
    print(json.dumps({key: result[key] for key in ("machine", "command", "seed", "versions", "load_average_at_end")}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=Path, required=True, help="case table of the films")
    parser.add_argument("--work", type=Path, required=True, help="folder for shards, folds, runs and predictions")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=42, help="of the folds; the models of fold k have seed + k")
    parser.add_argument("--dev-fraction", type=float, default=0.2, help="of the patients outside the test part")
    parser.add_argument("--minutes", type=float, default=2.5, help="of training, for each fold and system")
    parser.add_argument("--bootstrap", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--set", action="append", default=[], dest="settings", help="change a key of the recipe")
    parser.add_argument("--out", type=Path, help="where to write the result; default WORK/result.json")
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    torch.set_num_threads(options.threads)
    result = measure(options)
    show(result)
    write_json(options.out or options.work / "result.json", result)


if __name__ == "__main__":
    main()

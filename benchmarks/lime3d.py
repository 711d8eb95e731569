"""How soon is an explanation of a volume stable? Ours against plain LIME, one perturbation at a time.

    python benchmarks/lime3d.py [--run RUN --target report] [--cases N] [--device cpu] [--batch 16] [--out F]

Stable: the weights that two seeds give to the supervoxels of a volume rank them alike, Kendall's tau >= 0.9 over the
ten that weigh most in all together (`--top 0`: over all; the order of what does nothing takes long). It is the mean tau
of all pairs of four seeds: one pair crosses 0.9 by luck now and then, the sooner the more often it is asked. Both ways
are run until then, block after block of as many rows, on the same model, volume, supervoxels and baseline, and the
seconds are those of one seed. The peer is the recipe that the original system calls through the package `lime`
(0.2.0.1), re-implemented: rows of independent halves, the first of them the whole volume, the background a feature as
well, volumes made in numpy and put to the model one by one, kernel of width 0.25 over cosine distances, two ridge
regressions of scikit-learn (its selection of all features, then alpha 1). Its ranking is read without the background.
Ours is what `explain_lime` draws: a folded Hadamard design, in batches, closed form.

With --run, ours asks as precisely as the run was trained (bf16 in the tiny recipe), as `medley explain` does, and the
peer in the 32 bits that its recipe has; `same bits` is the ratio if each row of the peer took what it takes in ours.

`ratio` is the peer's seconds over ours; a peer that is not stable after `--most` rows counts with those, and the ratio
is a lower bound (`>=`). `same rows` is the peer's time over ours at the same number of rows, `batching` what the batch
alone gives of it: ours one by one over ours in batches.
`as shipped` is explain_lime with its own stop (two streams of one seed agree), and the tau of two such answers.

Without --run the model is a small one with random weights, and volumes are ellipsoids of noise with a bright lump: for
the time of a row any weights do, but how many rows a ranking needs depends on the model, so claims are made with a run.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import itertools
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn

from medley.core.about import versions
from medley.core.files import write_json
from medley.core.seeds import generator, seed_torch
from medley.explain.volumes.baselines import baseline
from medley.explain.volumes.designs import block_rows, rows_of
from medley.explain.volumes.hiding import Hider, Score
from medley.explain.volumes.lime import RIDGE, STABLE, TOP, agreement, explain_lime
from medley.explain.volumes.supervoxels import NUMBER, spacing_of, supervoxels
from medley.explain.volumes.surrogate import Rows, fit, joined
from medley.explain.volumes.targets import target

SHAPE, SPACING_MM = (32, 64, 64), (5.0, 3.0, 3.0)  # of the built-in model
WORDS, TOKENS, VISUAL = 354, 60, (2, 4, 4)


@dataclass(frozen=True)
class Problem:
    """A model's score of one target, and the volume that it is asked about."""

    name: str
    score: Score
    peer_score: Score
    volume: torch.Tensor  # [S, D, H, W]
    pieces_DHW: np.ndarray
    baseline: torch.Tensor


class Way(Protocol):
    """One seed of one way to explain: each call draws a block of rows and gives the weights so far."""

    seconds: float  # of drawing, asking, and one fit

    def more(self) -> np.ndarray: ...


class Ours:
    def __init__(self, problem: Problem, batch: int, seed: int):
        self.hider = Hider(problem.score, problem.volume, problem.baseline, problem.pieces_DHW, batch)
        self.seed, self.blocks, self.asking_s, self.seconds = seed, [], 0.0, 0.0

    def more(self) -> np.ndarray:
        begin = time.perf_counter()
        rng = generator("lime", self.seed, "", 0, len(self.blocks))
        shown_RF = rows_of("hadamard", self.hider.features, rng)
        self.blocks.append(Rows(shown_RF, self.hider(shown_RF), np.ones(len(shown_RF))))
        self.asking_s += time.perf_counter() - begin
        begin = time.perf_counter()
        weights_F = fit(joined(self.blocks), RIDGE).weights_FK[:, 0]
        self.seconds = self.asking_s + time.perf_counter() - begin
        return weights_F


class Plain:
    """The recipe of lime 0.2.0.1 with a batch of one."""

    def __init__(self, problem: Problem, seed: int):
        self.problem, self.random = problem, np.random.RandomState(seed)
        self.image, self.fudged = problem.volume.cpu().numpy(), problem.baseline.cpu().numpy()
        self.features = int(problem.pieces_DHW.max()) + 1  # the background is one
        self.step = block_rows(self.features - 1)
        self.rows: list[np.ndarray] = []
        self.answers: list[float] = []
        self.asking_s = self.seconds = 0.0

    def more(self) -> np.ndarray:
        from sklearn.linear_model import Ridge
        from sklearn.metrics import pairwise_distances

        begin = time.perf_counter()
        data = self.random.randint(0, 2, self.step * self.features).reshape(self.step, self.features)
        if not self.rows:
            data[0] = 1
        for row in data:
            self.answers.append(self._ask(row))
        self.rows.append(data)
        self.asking_s += time.perf_counter() - begin
        begin = time.perf_counter()
        rows = np.concatenate(self.rows)
        distances = pairwise_distances(rows, rows[:1], metric="cosine").ravel()
        near = np.sqrt(np.exp(-(distances**2) / 0.25**2))
        Ridge(alpha=0.01).fit(rows, self.answers, sample_weight=near)  # its selection, which keeps all
        weights = Ridge(alpha=1).fit(rows, self.answers, sample_weight=near).coef_
        self.seconds = self.asking_s + time.perf_counter() - begin
        return weights[1:]

    def _ask(self, row: np.ndarray) -> float:
        temp = copy.deepcopy(self.image)
        hidden = np.zeros(self.problem.pieces_DHW.shape, bool)
        for piece in np.where(row == 0)[0]:
            hidden[self.problem.pieces_DHW == piece] = True
        temp[:, hidden] = self.fudged[:, hidden]
        with torch.inference_mode():
            return float(self.problem.peer_score(torch.from_numpy(temp).to(self.problem.volume.device)[None]))


@dataclass(frozen=True)
class Settled:
    """When two seeds agreed, or the last of what was tried."""

    rows: int
    seconds: float
    tau: float
    stable: bool


def until_stable(way: Callable[[int], Way], seeds: Sequence[int], step: int, top: int | None, most: int) -> Settled:
    """Block after block for every seed, until their weights agree."""
    ways = [way(seed) for seed in seeds]
    rows, tau = 0, -1.0
    while tau < STABLE and rows < most:
        tau = mean_tau([one.more() for one in ways], top)
        rows += step
    return Settled(rows, float(np.mean([one.seconds for one in ways])), tau, tau >= STABLE)


def mean_tau(weights: Sequence[np.ndarray], top: int | None) -> float:
    """Of all pairs, over the supervoxels that weigh most in all together."""
    middle = np.mean(weights, axis=0)[:, None]
    pairs = itertools.combinations(weights, 2)
    return float(np.mean([agreement(one[:, None], other[:, None], middle, top)[0] for one, other in pairs]))


def compare(problem: Problem, seeds: Sequence[int], batch: int, top: int | None, most: int) -> dict[str, object]:
    """One row of the table."""
    step = block_rows(int(problem.pieces_DHW.max()))
    with torch.inference_mode():  # the first call is slow
        problem.score(problem.volume[None].repeat(batch, 1, 1, 1, 1))
        problem.peer_score(problem.volume[None])
    ours = until_stable(partial(Ours, problem, batch), seeds, step, top, most)
    peer = until_stable(partial(Plain, problem), seeds, step, top, most)
    alone = Ours(problem, 1, seeds[0])
    alone.more()
    peer_alike = Plain(dataclasses.replace(problem, peer_score=problem.score), seeds[0])
    peer_alike.more()
    begin = time.perf_counter()
    options = {"baseline": problem.baseline, "batch": batch, "top": top, "most": most}
    shipped = [explain_lime(problem.score, problem.volume, problem.pieces_DHW, seed=seed, **options) for seed in seeds]
    shipped_s = (time.perf_counter() - begin) / len(seeds)
    return {
        "problem": problem.name,
        "supervoxels": int(problem.pieces_DHW.max()),
        "rows": ours.rows,
        "s": ours.seconds,
        "tau": ours.tau,
        "peer_rows": peer.rows,
        "peer_s": peer.seconds,
        "peer_tau": peer.tau,
        "bound": ">=" if not peer.stable and ours.stable else "" if ours.stable else "?",
        "ratio": peer.seconds / ours.seconds,
        "same_bits": peer_alike.asking_s / step * peer.rows / ours.seconds,
        "same_rows": (peer.seconds / peer.rows) / (ours.seconds / ours.rows),
        "batching": (alone.seconds / step) / (ours.seconds / ours.rows),
        "shipped_rows": float(np.mean([one.samples for one in shipped])),
        "shipped_s": shipped_s,
        "shipped_tau": mean_tau([one.weights_F for one in shipped], top),
    }


class Small(nn.Module):
    """A volume's patches through a transformer, pooled to 32 tokens, and a report after them through a causal LM."""

    def __init__(self, width: int = 128, layers: int = 4):
        super().__init__()
        from transformers import LlamaConfig, LlamaForCausalLM

        self.patches = nn.Conv3d(1, width, (4, 8, 8), (4, 8, 8))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.place = nn.Parameter(torch.randn(1, np.prod(SHAPE) // 256, width))
        self.norm = nn.LayerNorm(width)
        config = LlamaConfig(vocab_size=WORDS, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=layers)
        config.num_attention_heads = config.num_key_value_heads = 4
        self.lm = LlamaForCausalLM(config)
        nn.init.normal_(self.lm.get_input_embeddings().weight)
        self.report = torch.from_numpy(generator("report", 0).integers(0, WORDS, TOKENS))

    def forward(self, volumes_BSDHW: torch.Tensor) -> torch.Tensor:
        """Mean log-probability of the report: [B]."""
        maps = self.patches(volumes_BSDHW.float() / 127.5 - 1)
        tokens_BPC = self.encoder(maps.flatten(2).transpose(1, 2) + self.place)
        maps = tokens_BPC.transpose(1, 2).unflatten(2, maps.shape[2:])
        seen_BVC = self.norm(nn.functional.adaptive_avg_pool3d(maps, VISUAL).flatten(2).transpose(1, 2))
        ids_BT = self.report.to(volumes_BSDHW.device).expand(len(volumes_BSDHW), -1)
        embedded = torch.cat([seen_BVC, self.lm.get_input_embeddings()(ids_BT)], 1)
        logits = self.lm(inputs_embeds=embedded, use_cache=False).logits[:, seen_BVC.shape[1] - 1 : -1]
        return logits.log_softmax(-1).gather(-1, ids_BT[..., None]).mean((1, 2))


def ellipsoid(seed: int) -> np.ndarray:
    """uint8 [1, D, H, W]: smooth noise in an ellipsoid, and one bright lump."""
    from scipy.ndimage import gaussian_filter

    rng = generator("ellipsoid", seed)
    at = np.stack(np.meshgrid(*(np.linspace(-1, 1, side) for side in SHAPE), indexing="ij"))
    noise = gaussian_filter(rng.standard_normal(SHAPE), 2)
    image = 110 + 30 * noise / noise.std()
    centre = rng.uniform(-0.4, 0.4, 3)[:, None, None, None]
    image = np.where(((at - centre) ** 2).sum(0) < 0.06, 230, image)
    return np.where((at**2).sum(0) < 0.8, np.clip(image, 1, 255), 0).astype(np.uint8)[None]


def builtin(count: int, number: int, fill: str, device: str) -> Iterator[Problem]:
    """The small model with random weights, and `count` ellipsoids."""
    seed_torch("lime3d", 0)
    model = Small().eval().to(device)
    for index in range(count):
        voxels = ellipsoid(index)
        yield problem_of(f"random {index}", model, model, voxels, SPACING_MM, number, fill, device)


def of_run(run: Path, target_name: str, count: int, number: int, fill: str, device: str) -> Iterator[Problem]:
    """Lesion cases of a run's test part: how likely the report is that the model writes of each, or a part of it."""
    import medley
    from medley.serving.explaining.brain import volume_score
    from medley.serving.scoring.run import own_source

    predictor = medley.load(run, device=device)
    source, offsets = own_source(predictor), predictor.processor.words.offsets
    ill = [case for case in source.parts["test"] if case.truth.get("healthy") is False and source.groups(case)]
    for case in ill[:count]:
        study = source.study(case, source.groups(case)[0])
        (answer,) = predictor.predictions([study])
        asked = [target(target_name, answer.hypothesis["report"], offsets)]
        ours = partial(_first, volume_score(predictor, study, asked, predictor.recipe.trainer.precision))
        peer = partial(_first, volume_score(predictor, study, asked))
        yield problem_of(case.case_id, ours, peer, study.volume.voxels, spacing_of(study.volume), number, fill, device)


def _first(several: Score, volumes: torch.Tensor) -> torch.Tensor:
    return several(volumes)[:, 0]


def problem_of(
    name: str,
    score: Score,
    peer_score: Score,
    voxels_SDHW: np.ndarray,
    spacing_mm: tuple,
    number: int,
    fill: str,
    device: str,
) -> Problem:
    pieces_DHW = supervoxels(voxels_SDHW, spacing_mm, number)
    shown = baseline(fill, voxels_SDHW, pieces_DHW, spacing_mm)
    volume, hidden = (torch.from_numpy(one).to(device) for one in (voxels_SDHW, shown))
    return Problem(name, score, peer_score, volume, pieces_DHW, hidden)


def summary(rows: Sequence[dict]) -> dict[str, float]:
    """Medians over the problems."""
    return {
        name: float(np.median([row[name] for row in rows]))
        for name in ("ratio", "same_bits", "same_rows", "batching", "rows", "peer_rows", "shipped_s", "shipped_tau")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--target", default="report", help="of a run: report, sentence:1, words:left frontal, sides")
    parser.add_argument("--cases", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--supervoxels", type=int, default=NUMBER)
    parser.add_argument("--baseline", default="zero", help="of both; plain LIME's own is zero")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--top", type=int, default=TOP)
    parser.add_argument("--most", type=int, default=8192)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    said = parser.parse_args()
    machine = {"machine": platform.processor() or platform.machine(), "threads": torch.get_num_threads(), **versions()}
    if said.device.startswith("cuda"):
        machine["device"] = torch.cuda.get_device_name()
    print(", ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
    source = partial(of_run, said.run, said.target) if said.run else builtin
    rows: list[dict] = []
    for problem in source(said.cases, said.supervoxels, said.baseline, said.device):
        row = compare(problem, range(said.seeds), said.batch, said.top or None, said.most)
        if not rows:
            print(" ".join(f"{name:>12}" for name in row))
        print(" ".join(f"{c:>12.3f}" if isinstance(c, float) else f"{c!s:>12}" for c in row.values()), flush=True)
        rows.append(row)
    middle = summary(rows)
    print("median: " + ", ".join(f"{name} {value:.3g}" for name, value in middle.items()))
    if said.out:
        write_json(
            said.out,
            {"machine": machine, "options": {k: str(v) for k, v in vars(said).items()}, "median": middle, "rows": rows},
        )


if __name__ == "__main__":
    main()

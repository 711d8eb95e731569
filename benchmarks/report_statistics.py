"""How fast are intervals and tests of text metrics? Sums of what each report brings, against reading all texts anew.

    python benchmarks/report_statistics.py openi_reports.parquet [--wordnet DIR] [--coco FOLDER] [--out FILE.json]

Both get 3,858 pairs of findings drawn from the table (column `findings`), a second system's for the permutation test,
and the same draws. The peer reads every resample's texts anew, as is usual: sacrebleu for BLEU-4 and chrF, rouge-score
for the three ROUGEs, once a resample; it is timed on few resamples and scaled. For CIDEr-D the peer is pycocoevalcap,
if `--coco` names the folder that holds it, timed once as ours is, from tokens to scores. Times are CPU seconds of one
thread, so that other work on the machine is no part of them; wall clock stands beside ours. All values that both
computed are compared.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from medley.core.files import write_json
from medley.core.seeds import generator
from medley.evaluation.statistics import bootstrap, patient_weights, permutation_test
from medley.evaluation.text import pooled, text_statistics, versions
from medley.evaluation.text.cider import cider_part
from medley.evaluation.text.ngrams import word_ngrams
from medley.evaluation.text.tokens import tokenizer

PAIRS = 3858  # the reports of MIMIC-CXR's test part
SEED = 3


def clocked(work: Any) -> tuple[Any, float, float]:
    """(result, CPU seconds, wall seconds) of a call."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def reread(hypotheses: list[str], references: list[str], resamples: int) -> dict[str, np.ndarray]:
    """BLEU-4, chrF and the ROUGEs of each resample from its texts, by the libraries themselves."""
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import BLEU, CHRF

    rouge = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
    scorer = RougeScorer(list(rouge.values()), use_stemmer=True)
    values: dict[str, list[float]] = {name: [] for name in ("bleu_4", "chrf", *rouge)}
    weights = patient_weights([str(i) for i in range(len(references))], range(resamples), SEED)
    for r in range(resamples):
        drawn = np.repeat(np.arange(len(references)), weights[:, r].astype(int))
        ours, theirs = [hypotheses[i] for i in drawn], [references[i] for i in drawn]
        values["bleu_4"].append(BLEU().corpus_score(ours, [theirs]).score / 100)
        values["chrf"].append(CHRF().corpus_score(ours, [theirs]).score / 100)
        scores = [scorer.score(right, said) for said, right in zip(ours, theirs, strict=True)]
        for name, key in rouge.items():
            values[name].append(float(np.mean([score[key].fmeasure for score in scores])))
    return {name: np.array(of) for name, of in values.items()}


def cider(hypotheses: list[list[str]], references: list[list[str]], coco: Path | None) -> dict[str, float]:
    """CPU seconds of CIDEr-D from tokens to scores, ours the best of three, and the largest difference."""
    n = len(references)

    def ours() -> np.ndarray:
        counts = list(word_ngrams([*hypotheses, *references], 4))
        some = np.array([bool(tokens) for tokens in references])
        return cider_part([c[:n] for c in counts], [c[n:] for c in counts], some).by_report["cider_d"]

    runs = [clocked(ours) for _ in range(3)]
    found = {"ours_s": min(run[1] for run in runs)}
    if coco is not None:
        sys.path.insert(0, str(coco))
        from pycocoevalcap.cider.cider import Cider

        said, right = ({i: [" ".join(x)] for i, x in enumerate(texts)} for texts in (hypotheses, references))
        peers = [clocked(lambda: Cider().compute_score(right, said)[1]) for _ in range(3)]
        found["pycocoevalcap_s"] = min(run[1] for run in peers)
        found["ratio"] = found["pycocoevalcap_s"] / found["ours_s"]
        found["largest_difference"] = float(np.abs(runs[0][0] - peers[0][0]).max())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--peer-resamples", type=int, default=3, help="the peer is timed on these, and scaled")
    parser.add_argument("--wordnet", type=Path, help="METEOR too: a folder that `medley doctor --wordnet` made")
    parser.add_argument("--coco", type=Path, help="the folder that holds pycocoevalcap")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if min(options.resamples, options.peer_resamples) < 1:
        parser.error("--resamples and --peer-resamples are at least 1")
    texts = [text for text in pl.read_parquet(options.reports)["findings"].to_list() if text and text.strip()]
    rng = generator("report statistics", SEED)
    references, hypotheses, others = ([texts[i] for i in rng.integers(len(texts), size=PAIRS)] for _ in range(3))
    patients = [str(i) for i in range(PAIRS)]
    with threadpool_limits(1):
        result: dict[str, Any] = {"pairs": PAIRS, "resamples": options.resamples, "load": os.getloadavg()}
        first, *result["extraction_s"] = clocked(
            lambda: text_statistics(hypotheses, references, tokens="13a", wordnet=options.wordnet)
        )
        second = text_statistics(others, references, tokens="13a", wordnet=options.wordnet)
        ours, *result["bootstrap_s"] = clocked(
            lambda: bootstrap(first.weighted, patients, resamples=options.resamples, seed=SEED)
        )
        _, *result["permutations_s"] = clocked(
            lambda: permutation_test(pooled(first, second), patients, permutations=options.resamples, seed=SEED)
        )
        anew, peer_s, _ = clocked(lambda: reread(hypotheses, references, options.peer_resamples))
        result["metrics"] = sorted(ours)
        result["peer_s"] = peer_s * options.resamples / options.peer_resamples
        result["peer_timed_on_resamples"] = options.peer_resamples
        result["ratio"] = result["peer_s"] / result["bootstrap_s"][0]
        result["ratio_with_extraction"] = result["peer_s"] / (result["bootstrap_s"][0] + result["extraction_s"][0])
        result["largest_difference"] = max(
            float(np.abs(ours[name][: options.peer_resamples] - of).max()) for name, of in anew.items()
        )
        coco = tokenizer("coco")
        result["cider"] = cider([coco(x) for x in hypotheses], [coco(x) for x in references], options.coco)
    for name, value in result.items():
        print(f"{name:24} {value}")
    if options.out:
        write_json(options.out, {**result, "python": platform.python_version(), "versions": versions()})


if __name__ == "__main__":
    main()

"""How well does the labeler read? Against the human labels of Open-i, with intervals; its negation; its speed.

    python benchmarks/labeler.py DATA [--half looked] [--out labeler.json]
    python benchmarks/labeler.py DATA --half held-out        # the figures that are published

DATA holds `report_labels/openi_gold_with_text.parquet`, `cxr_reports/openi_reports.parquet` and
`report_labels/negex_rsannotations.csv`. Reports fall into two halves by the group of their text, seed 0. The lexicon
was made on the half `looked`; of the other nobody reads a text or an error, only the tables below.

Table 1 has the findings that NIH's and CheXpert's lists share, by their own words (no finer word, no parent counts).
Table 2 holds finer words, but no parents, against CheXpert's labels as they follow from the MeSH codes: no bar, since
the mapping is ours. Intervals are of a bootstrap over reports.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medley.core.files import write_json
from medley.core.labels import CHEXPERT_14
from medley.core.seeds import key64
from medley.evaluation.clinical.counts import Counts, count_reports
from medley.evaluation.ranking import ratio
from medley.evaluation.statistics import bootstrap, with_interval
from medley.language.labeler import join_sections, label_text
from medley.language.mentions import find_mentions

SHARED = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion", "Pneumonia", "Pneumothorax")
HALVES = {"looked": 0, "held-out": 1}
SEED = 0


def reports(data: Path, half: str) -> list[dict[str, Any]]:
    """The coded reports of one half that have a text, with their labels."""
    groups = pl.read_parquet(data / "cxr_reports" / "openi_reports.parquet").select("uid", "report_text_dup_group")
    gold = pl.read_parquet(data / "report_labels" / "openi_gold_with_text.parquet").filter(pl.col("mesh_indexed"))
    rows = gold.join(groups, on="uid", how="inner", validate="1:1").iter_rows(named=True)
    mine = [row for row in rows if key64(SEED, row["report_text_dup_group"]) % 2 == HALVES[half]]
    kept = [row for row in mine if text_of(row)]
    print(f"{len(mine)} coded reports in the half '{half}', {len(kept)} with a text; {gold.height} in the file")
    return kept


def text_of(row: dict[str, Any]) -> str:
    return join_sections({name: row[name] or "" for name in ("findings", "impression")})


def table(rows: list[dict[str, Any]], labels: Sequence[str], column: Callable[[str], str], finer: bool) -> dict:
    """Precision, recall and F1 of each label and the macro F1, uncertain as present and as absent."""
    said = [label_text(text_of(row), labels, finer=finer, parents=False) for row in rows]
    truths = [{label: row[column(label)] for label in labels} for row in rows]
    ids = [row["uid"] for row in rows]
    found = {}
    for uncertain in (1, 0):
        counts = count_reports(truths, said, labels, uncertain=uncertain, truth_is_text=False)

        def of_weights(weights_NR: np.ndarray, counts: Counts = counts) -> dict[tuple[str, str], np.ndarray]:
            hit, true, calls = (of_NL.T @ weights_NR for of_NL in (counts.hit_NL, counts.true_NL, counts.said_NL))
            f1 = np.where(true > 0, ratio(2 * hit, true + calls), np.nan)
            by_label = {"precision": ratio(hit, calls), "recall": ratio(hit, true), "f1": f1}
            values = {(name, m): of[i] for m, of in by_label.items() for i, name in enumerate(labels)}
            return values | {("macro", "f1"): f1.mean(0)}

        points = of_weights(np.ones((len(rows), 1)))
        samples = bootstrap(of_weights, ids, resamples=1000, seed=SEED)
        metrics = {
            key: with_interval(float(value[0]), samples[key], n=len(rows), n_patients=len(rows))
            for key, value in points.items()
        }
        print(f"\nuncertain = {uncertain}{'':14s}   n   said  precision  recall  F1 [95 %]")
        for i, name in enumerate(labels):
            n, calls = int(counts.true_NL[:, i].sum()), int(counts.said_NL[:, i].sum())
            p, r, f1 = (metrics[name, m] for m in ("precision", "recall", "f1"))
            print(f"{name:28s} {n:4d} {calls:5d}    {p.value:.3f}     {r.value:.3f}   {f1.value:.3f} {f1.ci95}")
        print(f"{'macro F1':28s} {metrics['macro', 'f1'].value:.3f} {metrics['macro', 'f1'].ci95}")
        found[f"uncertain_{uncertain}"] = {f"{name}/{m}": metric.as_json() for (name, m), metric in metrics.items()}
    return found


def negation(data: Path) -> dict[str, str]:
    """Denied or not, on the annotated sentences with a chest finding: of concepts that the lexicon knows, and of all,
    where a word that it knows stands in the concept's place."""
    rows = pl.read_csv(data / "report_labels" / "negex_rsannotations.csv").filter(pl.col("chest_concept"))
    counts = {"known concepts": [0, 0], "all concepts, replaced by a known word": [0, 0]}
    for row in rows.unique(("concept", "sentence"), maintain_order=True).iter_rows(named=True):
        concept, sentence, denied = row["concept"].lower(), row["sentence"].lower(), row["negation"] == "Negated"
        at = sentence.find(concept)
        replaced = sentence.replace(concept, "effusion", 1)
        mine = [m for m in find_mentions(sentence) if m.text in concept or concept in m.text]
        theirs = [m for m in find_mentions(replaced) if m.start <= at < m.end] if at >= 0 else []
        for name, mentions in zip(counts, (mine, theirs), strict=True):
            if mentions:
                counts[name][0] += (mentions[0].polarity == "absent") == denied
                counts[name][1] += 1
    print()
    for name, (right, total) in counts.items():
        print(f"negation, {name}: {right} of {total} right ({right / total:.3f})")
    return {name: f"{right} of {total}" for name, (right, total) in counts.items()}


def speed(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Reports a second of one core (CPU time), the best of five passes: other work on the machine slows a pass."""
    texts = [text_of(row) for row in rows]
    label_text(texts[0])
    passes = []
    for _ in range(5):
        start = time.process_time()
        for text in texts:
            label_text(text)
        passes.append(len(texts) / (time.process_time() - start))
    load = os.getloadavg()[0]
    print(f"\n{max(passes):.0f} reports a second of CPU time ({min(passes):.0f} the slowest pass), load {load:.1f}")
    return {"best": max(passes), "slowest": min(passes), "load": load}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--half", choices=tuple(HALVES), default="looked")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = reports(arguments.data, arguments.half)
    found: dict[str, Any] = {"half": arguments.half, "reports": len(rows), "machine": platform.processor()}
    print("\n1. human labels")
    gold = {label: f"gold_{'Effusion' if label == 'Pleural Effusion' else label}" for label in SHARED}
    found["gold"] = table(rows, SHARED, gold.__getitem__, finer=False)
    print("\n2. CheXpert's labels from the MeSH codes")
    found["mesh14"] = table(rows, CHEXPERT_14, lambda label: f"mesh14_{label}", finer=True)
    found["negation"], found["speed"] = negation(arguments.data), speed(rows)
    if arguments.out:
        write_json(arguments.out, found)


if __name__ == "__main__":
    main()

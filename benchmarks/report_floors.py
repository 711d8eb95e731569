"""What does a report score that nobody wrote for this patient? Text floors and a ceiling on any set of real reports.

    medley index openi --root FOLDER --out cases.parquet
    medley split cases.parquet --out splits.json
    python benchmarks/report_floors.py cases.parquet splits.json [--part test] [--wordnet DIR] [--out FOLDER]

Each floor answers the part as a system would, from the training part's reports, and is scored as `medley score` does:
findings alone, impression alone, and both together, with 95 % intervals. Findings are also read as R2Gen does, whose
protocol most published numbers of Open-i follow. Two ceilings know the true report: the training report whose words are
nearest to it, and the one that says the most like findings. `--out` gets the predictions of each, for `medley score`
and `medley compare`, and all numbers.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from medley.core.files import write_json
from medley.core.labels import CHEXPERT_14
from medley.core.records import Case, Prediction, target_sections
from medley.data.cases import read_cases
from medley.data.notes import make_notes
from medley.data.splits import read_splits
from medley.evaluation.predictions.lines import write_predictions
from medley.evaluation.reports.floors import nearest_report, text_floors
from medley.evaluation.reports.statistics import report_statistics
from medley.evaluation.statistics import Metric
from medley.language.labeler import join_sections, label_text

TARGETS = {"findings": ("findings",), "impression": ("impression",), "both": ("findings", "impression")}
TEXT = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "rouge_l_coco", "meteor", "cider_d", "chrf")
CLINICAL = ("micro_14", "macro_14", "macro_14_published", "micro_13", "macro_13", "micro_5", "macro_5", "example_14")
R2GEN_TOKENS, R2GEN_COUNT = 60, 3  # the longest report, and how often a word of its vocabulary stands in training


def asked(cases: Sequence[Case], sections: Sequence[str]) -> list[Prediction]:
    """The cases that have one of these sections, to be answered in it."""
    found = []
    for case in cases:
        reference = {name: text for name, text in target_sections(case).items() if name in sections}
        if reference:
            found.append(Prediction(case.case_id, case.patient_id, "chest_report", reference=reference))
    return found


def as_r2gen(texts: Sequence[str], common: set[str] | None = None) -> list[str]:
    """Findings as R2Gen scores them (Chen et al. 2020, its public code): lower case, no punctuation but a full stop
    after each sentence, which counts as a token, numbers of lists dropped, at most 60 tokens. A word that is not
    `common` is unknown to its vocabulary."""
    found = []
    for text in texts:
        lower = re.sub(r"(^|\. )\d+\. ", r"\1", " ".join(text.lower().split()))
        bare = [re.sub(r"[^\w\s-]", "", sentence).split() for sentence in re.split(r"\.+(?: |$)", lower)]
        words = [word for sentence in bare if sentence for word in (*sentence, ".")][:R2GEN_TOKENS]
        found.append(" ".join(word if common is None or word in common else "unk" for word in words))
    return found


def read_as_r2gen(lines: Sequence[Prediction], train: Sequence[Case]) -> list[Prediction]:
    """Hypotheses and references in that reading; tokens of it are what stands between spaces."""
    counts = Counter(
        w for text in as_r2gen([target_sections(c).get("findings", "") for c in train]) for w in text.split()
    )
    common = {word for word, count in counts.items() if count >= R2GEN_COUNT}
    said, true = (
        as_r2gen([of["findings"] for of in texts], common)
        for texts in ([x.hypothesis for x in lines], [x.reference for x in lines])
    )
    return [
        replace(one, hypothesis={"findings": h}, reference={"findings": r})
        for one, h, r in zip(lines, said, true, strict=True)
    ]


def nearest_true_labels(predictions: list[Prediction], train: Sequence[Case]) -> list[Prediction]:
    """The training report whose text says the most like labels."""

    def labels(texts: Sequence[str]) -> np.ndarray:
        read = [label_text(text) for text in texts]
        return np.nan_to_num(np.array([[of[name] for name in CHEXPERT_14] for of in read], float), nan=0.0)

    sections = {name for one in predictions for name in one.reference}
    ours_NL = labels([join_sections(one.reference) for one in predictions])
    kept = [{name: text for name, text in target_sections(case).items() if name in sections} for case in train]
    theirs_ML = labels([join_sections(text) for text in kept])
    found = nearest_report(predictions, train, (-np.abs(theirs_ML - ours_L).sum(1) for ours_L in ours_NL))
    if isinstance(found, str):
        raise SystemExit(found)
    return found


def answers(cases: Sequence[Case], train: Sequence[Case], sections: Sequence[str]) -> dict[str, list[Prediction]]:
    """All floors and ceilings of the cases in these sections."""
    predictions = asked(cases, sections)
    notes = make_notes([*cases, *train], "real")
    floors, ceilings, absent = text_floors(predictions, train, notes)
    for name, why in absent.items():
        print(f"{name}: {why}")
    return {**floors, "nearest_true_labels": nearest_true_labels(predictions, train), **ceilings}


def said(metric: Metric) -> str:
    """A value and its interval for a table."""
    if metric.value is None:
        return "—"
    low, high = metric.ci95 or (metric.value, metric.value)
    return f"{metric.value:.3f} [{low:.3f}, {high:.3f}]"


def print_table(rows: dict[str, dict[str, Metric]], names: Sequence[str]) -> None:
    """As Markdown, one line a floor."""
    print("| | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for floor, metrics in rows.items():
        print(f"| `{floor}` | " + " | ".join(said(metrics[name]) for name in names) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("splits", type=Path)
    parser.add_argument("--part", default="test", choices=("dev", "test"))
    parser.add_argument(
        "--no-copies", action="store_true", help="no training report that is word for word a scored one"
    )
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--wordnet", type=Path, help="METEOR too: a folder that `medley doctor --wordnet` made")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    table = read_cases(options.cases)
    manifest = read_splits(options.splits, table)
    cases, train = table.pick(manifest.parts[options.part]), table.pick(manifest.parts["train"])
    whole = {join_sections(target_sections(case)) for case in train}
    known = [text for case in cases if (text := join_sections(target_sections(case))) in whole]
    print(f"{len(cases)} studies of {options.part}, {len(train)} of train; {len(known)} stand there word for word")
    if options.no_copies:
        train = [case for case in train if join_sections(target_sections(case)) not in known]
        print(f"without them {len(train)} of train")
    content: dict[str, object] = {}
    with threadpool_limits(1):
        for target, sections in TARGETS.items():
            rows, as_theirs = {}, {}
            for name, lines in answers(cases, train, sections).items():
                statistics = report_statistics(lines, wordnet=options.wordnet)
                rows[name] = statistics.metrics(resamples=options.bootstrap, seed=0)
                if target == "findings":
                    theirs = report_statistics(read_as_r2gen(lines, train), tokens="13a", wordnet=options.wordnet)
                    as_theirs[name] = theirs.metrics(resamples=options.bootstrap, seed=0)
                if options.out:
                    write_predictions(options.out / target / f"{name}.jsonl", lines)
            print(f"\n## {target}: {len(lines)} studies\n")
            print_table(rows, TEXT)
            print()
            print_table(rows, [f"clinical_f1_{name}" for name in CLINICAL])
            if as_theirs:
                print("\nAs R2Gen reads and cuts them:\n")
                print_table(as_theirs, TEXT)
                content["findings, as R2Gen"] = {
                    name: {of: row[of].as_json() for of in TEXT} for name, row in as_theirs.items()
                }
            content[target] = {name: {of: m.as_json() for of, m in row.items()} for name, row in rows.items()}
    if options.out:
        write_json(options.out / "floors.json", {"split": manifest.digest, "table": table.digest, **content})


if __name__ == "__main__":
    main()

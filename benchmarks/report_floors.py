"""What does a report score that nobody wrote for this patient? Text floors and a ceiling on any set of real reports.

    medley index openi --root FOLDER --out cases.parquet
    medley split cases.parquet --out splits.json
    python benchmarks/report_floors.py cases.parquet splits.json [--part test] [--wordnet DIR] [--out FOLDER]

Each floor answers the part as a system would, from the training part's reports, and is scored as `medley score` scores
it: findings alone, impression alone, and both together, with 95 % intervals. Beside the floors of every scorecard there
are two that only this table has: `chosen_constant`, the one training text that scores the highest BLEU-4 when said of
many training studies, and the ceiling `nearest_true_findings`, the training report with the same findings as the true
one. `--out` gets the predictions of each, for `medley score` and `medley compare`, and all numbers.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from medley.core.files import write_json
from medley.core.labels import CHEXPERT_14
from medley.core.records import Case, Prediction, target_sections
from medley.core.seeds import generator
from medley.data.cases import read_cases
from medley.data.notes import make_notes
from medley.data.splits import read_splits
from medley.evaluation.predictions.lines import write_predictions
from medley.evaluation.reports.floors import nearest_report, text_floors
from medley.evaluation.reports.statistics import report_statistics
from medley.evaluation.statistics import Metric
from medley.evaluation.text import text_statistics
from medley.language.labeler import join_sections, label_text

TARGETS = {"findings": ("findings",), "impression": ("impression",), "both": ("findings", "impression")}
TEXT = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "rouge_l_coco", "meteor", "cider_d", "chrf")
CLINICAL = ("micro_14", "macro_14", "macro_14_published", "micro_13", "macro_13", "micro_5", "macro_5", "example_14")
FREQUENT, DRAWN, HELD_AGAINST = 40, 120, 400  # training texts tried as the constant, and those they are tried against


def asked(cases: Sequence[Case], sections: Sequence[str]) -> list[Prediction]:
    """The cases that have one of these sections, to be answered in it."""
    found = []
    for case in cases:
        reference = {name: text for name, text in target_sections(case).items() if name in sections}
        if reference:
            found.append(Prediction(case.case_id, case.patient_id, "chest_report", reference=reference))
    return found


def chosen_text(train: Sequence[Case], section: str) -> str:
    """The one with the best BLEU-4 against a draw of the training texts, of the most frequent ones and a draw."""
    texts = [text for case in train if (text := target_sections(case).get(section))]
    order = generator("chosen constant", section).permutation(len(texts))
    against, drawn = [texts[i] for i in order[:HELD_AGAINST]], [texts[i] for i in order[-DRAWN:]]
    tried = list(dict.fromkeys([*(text for text, _ in Counter(texts).most_common(FREQUENT)), *drawn]))
    everyone = np.ones((len(against), 1))
    scores = [text_statistics([text] * len(against), against).weighted(everyone)["bleu_4"][0] for text in tried]
    return tried[int(np.nanargmax(scores))]  # nan: a text of fewer than four words


def nearest_true_findings(predictions: list[Prediction], train: Sequence[Case]) -> list[Prediction]:
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


def answers(
    cases: Sequence[Case], train: Sequence[Case], sections: Sequence[str], constant: dict[str, str]
) -> dict[str, list[Prediction]]:
    """All floors and ceilings of the cases in these sections; `constant` is the chosen text of each."""
    predictions = asked(cases, sections)
    notes = make_notes([*cases, *train], "real")
    floors, ceilings, absent = text_floors(predictions, train, notes)
    for name, why in absent.items():
        print(f"{name}: {why}")
    chosen = [replace(one, hypothesis={name: constant[name] for name in one.reference}) for one in predictions]
    truest = nearest_true_findings(predictions, train)
    return {**floors, "chosen_constant": chosen, "nearest_true_findings": truest, **ceilings}


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
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--wordnet", type=Path, help="METEOR too: a folder that `medley doctor --wordnet` made")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    table = read_cases(options.cases)
    manifest = read_splits(options.splits, table)
    cases, train = table.pick(manifest.parts[options.part]), table.pick(manifest.parts["train"])
    whole = {join_sections(target_sections(case)) for case in train}
    known = sum(join_sections(target_sections(case)) in whole for case in cases)
    print(f"{len(cases)} studies of {options.part}, {len(train)} of train; {known} stand there word for word")
    content: dict[str, object] = {}
    with threadpool_limits(1):
        constant = {section: chosen_text(train, section) for section in TARGETS["both"]}
        for section, text in constant.items():
            print(f"chosen_constant says as {section}: {text}")
        for target, sections in TARGETS.items():
            rows = {}
            for name, lines in answers(cases, train, sections, constant).items():
                statistics = report_statistics(lines, wordnet=options.wordnet)
                rows[name] = statistics.metrics(resamples=options.bootstrap, seed=0)
                if options.out:
                    write_predictions(options.out / target / f"{name}.jsonl", lines)
            print(f"\n## {target}: {len(lines)} studies\n")
            print_table(rows, TEXT)
            print()
            print_table(rows, [f"clinical_f1_{name}" for name in CLINICAL])
            content[target] = {name: {of: m.as_json() for of, m in row.items()} for name, row in rows.items()}
    if options.out:
        write_json(options.out / "floors.json", {"split": manifest.digest, "table": table.digest, **content})


if __name__ == "__main__":
    main()

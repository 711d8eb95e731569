"""A part of a case table asked of a model that was never trained on it: answers, then predictions to be scored."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medley.core.about import VERSION
from medley.core.counts import counted
from medley.core.errors import MedleyError, UnreadableImage
from medley.core.records import Case, Prediction, Study, VolumeInput
from medley.data.images.volumes import Volumes, open_volumes, sequences_of
from medley.data.preprocess.volume.volume import PREPROCESSING_VERSION
from medley.data.source import cache_folder
from medley.evaluation.predictions.known_cases import KnownCases, known_cases
from medley.evaluation.predictions.lines import write_predictions
from medley.evaluation.reports.tasks import BRAIN
from medley.serving.scoring.left_out import write_skipped
from medley.serving.zero_shot.answers import Answer, AnswerStore, report_of
from medley.serving.zero_shot.model import SliceReader, Written
from medley.serving.zero_shot.prompts import Prompt
from medley.serving.zero_shot.slices import GRID, PX, slice_pictures, slice_places

PREDICTIONS, SKIPPED = "predictions.jsonl", "skipped.csv"
Tick = Callable[[str, int, int], None] | None


@dataclass(frozen=True)
class Question:
    """What is asked of every case, and how it is answered."""

    prompt: Prompt
    sequence: str
    slices: int
    convention: str
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    black: bool = False  # every voxel 0: what is said of a brain that nobody sees


@dataclass(frozen=True)
class Outcome:
    """How many cases were answered, how many of them before this call, and what was left out: case id -> why."""

    answered: int
    before: int
    cut: int
    silent: int
    skipped: Mapping[str, str]


def opened_part(
    cases: Path, splits: Path, part: str, sequence: str, limit: int | None
) -> tuple[KnownCases, list[Case]]:
    """The table, and the first `limit` cases of a part, all where it is None. Raises MedleyError where it has none, or
    none with that sequence."""
    known = known_cases(cases, splits, "mask")
    assert known.manifest is not None
    wanted = known.table.pick(known.manifest.parts[part][:limit])
    if not wanted:
        raise MedleyError(f"{splits}: the part '{part}' has no case")
    views = {image.view for case in wanted for image in case.images}
    if sequence not in views:
        has = ", ".join(sorted(views)) or "no image"
        raise MedleyError(f"{cases}: no case of the part '{part}' has a {sequence}: there is {has}; see --sequence")
    return known, wanted


def ask_part(
    reader: SliceReader,
    question: Question,
    known: KnownCases,
    wanted: Sequence[Case],
    part: str,
    out: Path,
    command: str,
    workers: int,
    tick: Tick = None,
) -> Outcome:
    """Ask the cases that `out` holds no answer to, and write its predictions, record and skipped.csv.

    Every answer is on the disk before the next case is asked. Raises MedleyError where `out` holds answers to another
    question, and where no case can be read.
    """
    slice_places(question.slices)
    store = AnswerStore(out, _settings(reader, question, known, part))
    answers = {case.case_id: answer for case in wanted if (answer := store.read(case.case_id)) is not None}
    before = len(answers)
    left = [case for case in wanted if case.case_id not in answers]
    reads = VolumeInput(GRID, (question.sequence,))
    images = open_volumes(reads, known.table, [case.case_id for case in left], cache_folder(), workers, tick)
    skipped = {case.case_id: _why_not(images, case) for case in left if not images.groups(case)}
    if not answers and len(skipped) == len(wanted):
        raise MedleyError(f"no case can be read: {next(iter(skipped.values()))}")
    store.begin(_facts(reader, command))
    said: dict[bytes, Written] = {}  # slices that were asked already, as all black ones
    for done, case in enumerate((case for case in left if case.case_id not in skipped), start=1):
        study = images.study(case, images.groups(case)[0], None)
        answers[case.case_id] = _answer(reader, question, images.blank(study) if question.black else study, said)
        store.keep(answers[case.case_id])
        if tick:
            tick("asking", done, len(left) - len(skipped))
    predictions = [_prediction(case, question, answers[case.case_id]) for case in wanted if case.case_id in answers]
    predictions, _ = known.with_references(known.joined(predictions, part, str(out)))
    write_predictions(out / PREDICTIONS, predictions)
    write_skipped(out / SKIPPED, skipped)
    cut = sum(answer.written.cut for answer in answers.values())
    silent = sum(not report_of(answer.written.text) for answer in answers.values())
    outcome = Outcome(len(answers), before, cut, silent, skipped)
    devices = sorted({answer.device for answer in answers.values()})
    counts = {"cases": len(wanted), "answered": len(answers), "cut_at_max_tokens": cut, "empty": silent}
    store.finish(_facts(reader, command), {**counts, "skipped": len(skipped), "devices": devices})
    return outcome


def _answer(reader: SliceReader, question: Question, study: Study, said: dict[bytes, Written]) -> Answer:
    assert study.volume is not None
    pictures = slice_pictures(study.volume, question.slices, question.convention)
    key, case_id = b"".join(picture.tobytes() for picture in pictures), study.case.case_id
    written = said.get(key) if question.temperature == 0 else None
    if written is None:
        written = reader.ask(
            pictures,
            question.prompt,
            max_tokens=question.max_tokens,
            temperature=question.temperature,
            seed=("zero-shot", question.seed, case_id),
        )
        if question.black:  # else no two are alike, and all would be held in memory
            said[key] = written
    return Answer(case_id, written, reader.device.type)


def _prediction(case: Case, question: Question, answer: Answer) -> Prediction:
    written = answer.written
    text = report_of(written.text)
    extra: dict[str, Any] = {"tokens": written.tokens, "cut_at_max_tokens": written.cut}
    if text != written.whole:
        extra["as_written"] = written.whole
    return Prediction(
        case.case_id,
        case.patient_id,
        BRAIN,
        hypothesis={"report": text},
        group={"view": question.sequence},
        extra=extra,
    )


def _why_not(images: Volumes, case: Case) -> str:
    try:
        [image] = sequences_of(case, images.reads)
    except UnreadableImage as error:
        return str(error)
    return images.unreadable[image.path]


def _settings(reader: SliceReader, question: Question, known: KnownCases, part: str) -> dict[str, Any]:
    """All that an answer depends on; where it differs, the answers are to another question."""
    assert known.manifest is not None
    prompt = question.prompt
    return {
        "revision": reader.revision,
        "dtype": reader.dtype,
        "prompt_sha256": prompt.digest,
        "sequence": question.sequence,
        "slices": question.slices,
        "px": PX,
        "grid": {name: list(value) for name, value in asdict(GRID).items()},
        "preprocessing_version": PREPROCESSING_VERSION,
        "convention": question.convention,
        "black": question.black,
        "max_tokens": question.max_tokens,
        "temperature": question.temperature,
        "seed": question.seed,
        "table": known.table.digest,
        "split": known.manifest.digest,
        "part": part,
        "prompt": {"instruction": prompt.instruction, "question": prompt.question},
    }


def _facts(reader: SliceReader, command: str) -> dict[str, Any]:
    import torch
    import transformers

    versions = f"python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}"
    return {
        "model": reader.name,
        "model_type": reader.model.config.model_type,
        "task": BRAIN,
        "command": command,
        "medley": VERSION,
        "versions": versions,
        "machine": f"{platform.machine()}, {platform.system()}, {reader.device.type}",
    }


def summary(outcome: Outcome, max_tokens: int) -> list[str]:
    """What is to be known of the answers, a line each."""
    lines = [f"{counted(outcome.answered, 'case')} answered, {outcome.before} of them before"]
    if outcome.cut:
        lines.append(
            f"{outcome.cut} of {counted(outcome.answered, 'answer')} cut at {max_tokens} tokens, and marked "
            "cut_at_max_tokens: an unfinished report is scored as it stands; --max-tokens in another folder allows more"
        )
    if outcome.silent:
        lines.append(f"{counted(outcome.silent, 'answer')} without a word: no report, which is not a normal one")
    return lines

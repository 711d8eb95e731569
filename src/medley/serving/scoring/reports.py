"""The scorecard of a run that writes reports: what it wrote, what copying and guessing would have written, the page.

The films are read with reports being written three times (as they are, black, another patient's); all other floors
copy texts, and cost one pass over the training films that writes nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from medley.core.counts import counted
from medley.core.errors import MedleyError
from medley.core.records import Prediction, target_sections
from medley.data.images.films import Films
from medley.data.source import Source
from medley.evaluation.floors.paired import paired_floors
from medley.evaluation.reports.auxiliary import PREFIX
from medley.evaluation.reports.scorecard import report_scorecard
from medley.serving.consistency import Flag, flags_of, rates
from medley.serving.explaining.anatomy import score_anatomy
from medley.serving.explaining.brain_scores import score_lime
from medley.serving.explaining.run import score_run
from medley.serving.explaining.sentences import score_sentences
from medley.serving.predictor import Predictor
from medley.serving.scoring.beside import with_truth_of
from medley.serving.scoring.brains import mean_volume, volume_probe
from medley.serving.scoring.model_floors import model_floors
from medley.serving.scoring.parts import Tick, predict_part
from medley.serving.scoring.probes import film_probes
from medley.serving.scoring.report_floors import report_floors
from medley.serving.scoring.scored import Asked, Scored, with_explanations, write_answers, write_scored


def evaluate_reports(asked: Asked, tick: Tick) -> Scored:
    """Floors: the constant and the most frequent report, neighbours by note, image and findings, and the model on empty
    and on another patient's images; also what thumbnails alone tell, of films of the findings beside the report, of
    brains of the report itself. Ceilings: neighbours by the true report and by the true findings."""
    predictor, source, part, own = asked.predictor, asked.source, asked.part, asked.own
    _check_truth(source, part)
    of_films, predictions = isinstance(source.images, Films), predict_part(predictor, source, part, tick)
    floors, absent = model_floors(predictor, source, part, tick)
    copied = report_floors(predictor, own, source, part, predictions, tick)
    floors, absent = {**copied.floors, **floors}, {**copied.absent, **absent}
    probes = film_probes(own, source, part, predictions) if own and of_films else {}
    if own and not of_films:
        floors |= {"mean_images": mean_volume(predictor, own, source, part, tick)}
        floors |= {"probe": volume_probe(own, source, part, predictions)}
    floors |= with_truth_of(asked.beside, predictions)
    predictions, flags = _checked(predictor, predictions)

    stated = write_answers(asked, predictions, {**floors, **copied.ceilings, **probes})
    how = {"floors": floors, "ceilings": copied.ceilings, "absent": absent, **stated}
    card = report_scorecard(predictions, predictor.family.task, **how)
    of_probes = paired_floors(predictions, probes, **asked.resampled).metrics
    card = dataclasses.replace(
        card,
        metrics={**card.metrics, **{f"{PREFIX}{name}": metric for name, metric in of_probes.items()}},
        warnings=(*card.warnings, *_more_films(predictor, source, part)),
        provenance={**card.provenance, "report_against_findings": rates(flags)},
    )
    resamples = asked.resampled["bootstrap"]
    if not of_films:
        how_many = predictor.recipe.evaluate.explained
        rests = score_lime(predictor, source, part, cases=how_many, resamples=resamples, tick=tick)
        return write_scored(asked, with_explanations(card, rests), predictions, rests)
    explained = score_run(predictor, source, part, own=own, resamples=resamples, tick=tick)
    anatomy = score_anatomy(predictor, source, part, own=own, resamples=resamples, tick=tick)
    sentences = score_sentences(predictor, source, part, resamples=resamples, tick=tick)
    for looked in (explained, anatomy, sentences):
        card = with_explanations(card, looked)
    return write_scored(asked, card, predictions, explained)


def _check_truth(source: Source, part: str) -> None:
    """Raises MedleyError where nothing is known that a report could be held against, before one is written."""
    for case in source.parts[part]:
        if target_sections(case) or any(value is not None for value in source.known_labels(case).values()):
            return
    raise MedleyError(f"{source.table.path}: no study of the part '{part}' has a report or labels to score against")


def _checked(
    predictor: Predictor, predictions: Sequence[Prediction]
) -> tuple[list[Prediction], list[tuple[Flag, ...]]]:
    """The predictions, each with what of its report its findings do not say (`extra.consistency`), and all flags of
    the reports that were written."""
    cuts = predictor.cuts
    flags = [flags_of(one.task, one.hypothesis, one.scores, cuts) for one in predictions]
    said = [
        dataclasses.replace(one, extra={**one.extra, "consistency": {flag.label: flag.report for flag in some}})
        for one, some in zip(predictions, flags, strict=True)
    ]
    return said, [some for one, some in zip(predictions, flags, strict=True) if one.hypothesis]


def _more_films(predictor: Predictor, source: Source, part: str) -> tuple[str, ...]:
    """Of studies with more films than are read together the findings are pooled; a report cannot be."""
    more = sum(len(source.groups(case)) > 1 for case in source.parts[part])
    if not more:
        return ()
    pooled = f"the {predictor.recipe.evaluate.aggregation} over all of them"
    return (
        f"{counted(more, 'study')} with more films than the model reads together: the findings beside the report are "
        f"{pooled}, the report is of the first ones alone (the first frontal film, and the first lateral)",
    )

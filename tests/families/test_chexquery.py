"""What chexquery claims of itself: names, sections, views, the gate, and which parameters a stage may touch."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from medley.core.config import build_config
from medley.core.errors import MedleyError
from medley.core.labels import ANATOMY, CHEXPERT_14
from medley.core.stage import muon_parameters, rates_by_parameter
from medley.families.chexquery import FAMILY, SIZES
from medley.training.battery import Subject, stage_step
from medley.training.optim import parameter_groups


@pytest.fixture(scope="module")
def subject() -> Subject:
    return Subject(FAMILY)


@pytest.fixture(scope="module")
def model(subject):
    return subject.model().eval()


def output_of(subject, model, studies):
    with torch.no_grad():
        return model(subject.batch(studies))


def test_the_maps_of_a_study_lie_on_its_own_views_and_sum_to_one(subject, model):
    one, two = subject.studies(1), subject.studies(2, views=2)[1:]
    maps_BQVhw = output_of(subject, model, [*one, *two]).maps_BQVhw
    assert maps_BQVhw.shape[1] == len(CHEXPERT_14) + len(ANATOMY)
    assert torch.allclose(maps_BQVhw.sum((2, 3, 4)), torch.ones(2, maps_BQVhw.shape[1]), atol=1e-5)
    assert (maps_BQVhw[0, :, 1] == 0).all()
    assert (maps_BQVhw[1, :, 1] > 0).any()


def test_the_gate_changes_what_is_written(subject, model):
    batch = subject.batch(subject.studies(2))
    with torch.no_grad():
        as_it_is = model(batch).words()
        model.fusion.gate[-1].bias.fill_(3.0)
        opened = model(batch).words()
        model.fusion.gate[-1].bias.zero_()
    assert (as_it_is - opened).abs().max() > 1e-3


def test_reports_are_learned_from_and_never_read(subject, model):
    studies = subject.studies(2)
    mute = [dataclasses.replace(s, case=dataclasses.replace(s.case, text={})) for s in studies]
    told, untold = output_of(subject, model, studies), output_of(subject, model, mute)
    assert torch.equal(told.memory_BMD, untold.memory_BMD)
    answered = model(subject.processor(studies))
    assert torch.allclose(told.logits_BC, answered.logits_BC, atol=1e-6)


def test_in_training_the_decoder_is_told_what_is_true_and_else_what_is_called(subject):
    fresh = subject.model()
    batch = subject.batch(subject.studies(2))
    with torch.no_grad():
        fresh.findings.labels.bias_CO.fill_(20.0)  # every finding is called
        called, taught = (fresh.train(learns)(batch).is_memory_BM for learns in (False, True))
    findings = slice(1 + fresh.config.pooled, 1 + fresh.config.pooled + len(CHEXPERT_14))
    assert called[:, findings].all()
    assert torch.equal(taught[:, findings], batch.targets_BC == 1)


def test_a_finding_that_is_not_called_is_not_read(subject):
    fresh = subject.model().eval()
    batch = subject.batch(subject.studies(1))
    with torch.no_grad():
        fresh.findings.labels.bias_CO.fill_(-20.0)
        before = fresh(batch).words()
        fresh.told.names_CD.add_(3.0)
        assert torch.allclose(fresh(batch).words(), before, atol=1e-5)
        fresh.findings.labels.bias_CO.fill_(20.0)
        assert not torch.allclose(fresh(batch).words(), before, atol=1e-3)


def test_a_study_without_a_report_counts_nothing_in_the_words(subject):
    study = subject.studies(1)[0]
    mute = dataclasses.replace(study, case=dataclasses.replace(study.case, text={}))
    counts = [stage.objective.counts(subject.batch([mute])) for stage in subject.stages()]
    assert all(int(count["words"]) == 0 for count in counts)


def test_smoothing_is_for_learning_and_dev_loss_means_the_same_in_all_stages(subject, model):
    batch = subject.batch(subject.studies(2))
    align, report = (s for s in subject.stages() if s.name in ("align", "report"))
    with torch.no_grad():
        plain = [stage.objective.sums(model.eval()(batch), batch)["words"] for stage in (align, report)]
        output = dataclasses.replace(model(batch), training=True)
        smoothed = [stage.objective.sums(output, batch)["words"] for stage in (align, report)]
    assert plain[0] == plain[1] == smoothed[0]
    assert smoothed[1] != smoothed[0]


def test_stages_touch_what_the_paper_says(subject, model):
    trained = {stage.name: set(rates_by_parameter(model, stage)) for stage in subject.stages()}
    of = {name: {part.split(".")[0] for part in names} for name, names in trained.items()}
    seeing = {"vision", "towers", "bridge", "queries", "findings", "sides"}
    assert of["towers"] == seeing | {"decoder", "fusion", "memory", "told"}
    assert not any("lora_" in name for name in trained["towers"] | trained["align"])
    assert not {"vision", "decoder", "towers"} & of["align"]
    for stage in ("joint", "report"):
        towers = [name for name in trained[stage] if name.startswith(("vision", "decoder"))]
        assert towers
        assert all("lora_" in name for name in towers)
    assert "vision" in of["joint"]
    assert not {"vision", "findings"} & of["report"]


def test_hidden_maps_of_the_towers_learn_by_muon_and_tables_and_answers_do_not(subject, model):
    towers, *later = subject.stages()
    rates = rates_by_parameter(model, towers)
    trained = set(rates)
    groups = parameter_groups(model, rates, 0.1, 1.0, muon_parameters(towers, trained))
    by_muon = {name for group in groups if group["muon"] for name in group["names"]}
    assert {name.split(".")[0] for name in by_muon} == {"vision", "queries", "fusion", "decoder"}
    assert {"decoder.lm_head.weight", "decoder.stack.embed_tokens.weight", "queries.queries_CD"} <= trained - by_muon
    assert all(model.get_parameter(name).ndim in (2, 4) for name in by_muon)
    assert not any(stage.muon for stage in later)


def test_supervised_queries_look_where_their_part_lies(subject):
    fresh = subject.model()
    studies = subject.studies(4)
    align = next(stage for stage in subject.stages() if stage.name == "align")
    stage_step(subject, fresh, align, subject.batch(studies), steps=60, rate=3e-3)
    maps = output_of(subject, fresh.eval(), studies).maps_BQVhw[:, -len(ANATOMY) :, 0]  # [B, 6, h, w]
    wanted = [(len(CHEXPERT_14) + r) % 16 * maps.shape[-1] // 16 for r in range(len(ANATOMY))]
    assert maps.mean(0).sum(1).argmax(-1).tolist() == wanted


def test_bad_configs_are_one_line():
    toy = SIZES["toy"]
    with pytest.raises(MedleyError, match="name one or both"):
        build_config(FAMILY.config, {**toy, "sections": []}, "toy")
    with pytest.raises(MedleyError, match=r"decoder_dim is 33; it must be a multiple"):
        build_config(FAMILY.config, {**toy, "decoder_dim": 33}, "toy")
    config = build_config(FAMILY.config, toy, "toy")
    with pytest.raises(MedleyError, match="no study of the training part has findings or impression"):
        FAMILY.fit_processor(config, CHEXPERT_14, [None], dict.fromkeys(CHEXPERT_14, 0.5), [{}])
    with pytest.raises(MedleyError, match="'no_such_part' matches no"):
        Subject(FAMILY, changes={"vision_lora": ["no_such_part"]}).model()

"""What the family claims beyond the battery: the image's place in the prompt, what stages touch, facts beside the text,
features that are made once, and the published system as a preset."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from medley.core.config import build_config
from medley.core.errors import MedleyError
from medley.core.family import to_device
from medley.core.labels import BRAIN_LABELS
from medley.core.records import Volume
from medley.core.stage import muon_parameters, rates_by_parameter
from medley.decoders.facts import PLACES, REGIONS
from medley.decoders.prompt import IMAGE, NOTHING
from medley.families.braingemma3d import FAMILY, SIZES, BrainGemma3DConfig, sketch
from medley.fusion.projector import Projector
from medley.losses.weighted import weighted_token_sum
from medley.training.battery import CHECKS, Subject, stage_step
from medley.training.optim import parameter_groups


@pytest.fixture(scope="module")
def subject() -> Subject:
    return Subject(FAMILY)


@pytest.fixture(scope="module")
def model(subject):
    return subject.model().eval()


def changed(study, **what):
    return dataclasses.replace(study, **what)


def test_the_image_stands_in_one_place_in_training_and_in_answering(subject):
    studies = subject.studies(3)
    learned, answered = subject.batch(studies), subject.processor(studies)
    assert torch.equal(learned.prompt_BL, answered.prompt_BL)
    assert (learned.prompt_BL == IMAGE).sum(1).tolist() == [subject.config.tokens] * 3
    assert learned.prompt_BL[:, : subject.config.tokens].eq(IMAGE).all(), "raw: the image comes first"
    assert answered.words_BT is None


def test_reports_and_truth_are_learned_from_and_never_read(subject, model):
    studies = subject.studies(2)
    mute = [changed(s, case=dataclasses.replace(s.case, text={}, truth={}, labels={})) for s in studies]
    with torch.no_grad():
        told, untold = model(subject.batch(studies)), model(subject.processor(mute))
    assert torch.equal(told.memory_BKE, untold.memory_BKE)
    assert torch.equal(told.facts_BF, untold.facts_BF)


def test_a_study_without_a_report_counts_nothing_in_words_and_pairs(subject):
    study = subject.studies(1)[0]
    mute = changed(study, case=dataclasses.replace(study.case, text={}, truth={}))
    towers, contrastive, *_ = subject.stages()
    batch = subject.batch([mute, mute])
    counts = towers.objective.counts(batch)
    assert int(counts["words"]) == 0
    assert int(counts["facts"]) == 2 * len(PLACES), "places are not known; labels are, which weigh as much"
    assert int(contrastive.objective.counts(batch)["contrast"]) == 0


def test_what_is_not_known_of_places_is_not_learned(subject, model):
    study = subject.studies(2)
    unknown = [changed(s, volume=dataclasses.replace(s.volume, regions={})) for s in study]
    towers = subject.stages()[0]
    assert int(towers.objective.counts(subject.batch(unknown))["patch"]) == 0
    d, h, w = model.vision.grid
    assert int(towers.objective.counts(subject.batch(study))["patch"]) == 2 * len(REGIONS) * 8 * d * h * w


def test_a_mirrored_or_turned_over_volume_is_another_one(subject, model):
    volumes = subject.batch(subject.studies(2)).volumes_BSDHW
    with torch.no_grad():
        model.vision.embed.depth_position_embed_KD.normal_()
        seen = model.resampler(model.see(volumes))
        for axis in (2, 3, 4):
            assert not torch.allclose(model.resampler(model.see(volumes.flip(axis))), seen, atol=1e-3)
        model.vision.embed.depth_position_embed_KD.zero_()


def test_patches_made_once_answer_as_the_volume_does(subject, model):
    batch = subject.batch(subject.studies(3))
    with torch.no_grad():
        patches = model.see(batch.volumes_BSDHW)
        kept = dataclasses.replace(batch, patches_BPC=patches, volumes_BSDHW=torch.zeros_like(batch.volumes_BSDHW))
        seen, known = model(batch), model(kept)
        assert torch.equal(seen.memory_BKE, known.memory_BKE)
        for stage in subject.stages()[1:]:
            for name, total in stage.objective.sums(seen, batch).items():
                assert torch.equal(total, stage.objective.sums(known, kept)[name])


def test_stages_touch_what_the_paper_says(subject, model):
    trained = {stage.name: set(rates_by_parameter(model, stage)) for stage in subject.stages()}
    of = {name: {part.split(".")[0] for part in names} for name, names in trained.items()}
    assert of["towers"] == {"vision", "resampler", "facts", "towers", "decoder", "projector"}
    assert of["contrastive"] == {"vision", "resampler", "facts", "contrast", "towers"}
    assert {name for name in trained["contrastive"] if name.startswith("vision")} == {
        "vision.embed.patch.weight",
        "vision.embed.patch.bias",
        "vision.embed.position_embed_ND",
        "vision.embed.depth_position_embed_KD",
    }
    assert of["warmup"] == {"projector"}
    assert of["lora"] == {"projector", "resampler", "facts", "decoder"}
    adapted = Subject(FAMILY, changes={"lora_paths": [r"lm\.model\.layers\.\d+\.self_attn\.[qkvo]_proj"]})
    last = adapted.stages()[-1]
    names = [name for name in rates_by_parameter(adapted.model(), last) if name.startswith("decoder")]
    assert names
    assert all("lora_" in name for name in names)


def test_hidden_maps_of_the_towers_learn_by_muon_and_tables_and_answers_do_not(subject, model):
    towers, *later = subject.stages()
    rates = rates_by_parameter(model, towers)
    groups = parameter_groups(model, rates, 0.1, 1.0, muon_parameters(towers, rates))
    by_muon = {name for group in groups if group["muon"] for name in group["names"]}
    assert {name.split(".")[0] for name in by_muon} == {"vision", "resampler", "decoder", "projector"}
    tables = {"resampler.latents_token", "resampler.position_embed_PC", "vision.embed.position_embed_ND"}
    assert tables <= set(rates) - by_muon
    assert "decoder.lm.model.embed_tokens.weight" in set(rates) - by_muon
    assert not any(stage.muon for stage in later)


def test_facts_beside_the_text_are_labels_and_places(subject, model):
    studies = subject.studies(2)
    with torch.no_grad():
        output = model(subject.batch(studies))
    for row, prediction in enumerate(subject.processor.predictions(output, studies)):
        assert tuple(prediction.scores) == BRAIN_LABELS
        assert tuple(prediction.extra["places"]) == PLACES
        assert prediction.scores["Edema"] == pytest.approx(output.binary("fused")[row, 1].sigmoid().item())
        assert prediction.extra["places"]["right brainstem"] == pytest.approx(
            output.called_BF[row, -1].sigmoid().item()
        )


def test_where_a_lesion_is_seen_is_told_where_the_towers_learned_it(subject, model):
    studies = subject.studies(2)
    with torch.no_grad():
        output = model(subject.processor(studies))
    first, second = subject.processor.evidence(output, studies)
    (seen_dhw,) = first.maps["Lesion"]
    assert seen_dhw.shape == tuple(2 * side for side in model.vision.grid)
    assert (seen_dhw != second.maps["Lesion"][0]).any()
    place = output.seen[1][0, REGIONS.index("lesion")].argmax()
    assert seen_dhw.argmax() == place
    untaught = subject.processor.evidence(dataclasses.replace(output, seen=None), studies)
    assert [one.maps for one in untaught] == [{}, {}]


def test_the_writer_reads_what_is_found_and_in_training_what_is_true():
    subject = Subject(FAMILY, changes={"tell_facts": True})
    fresh, batch = subject.model(), subject.batch(subject.studies(3))
    count = len(BRAIN_LABELS) + len(PLACES)
    assert (batch.prompt_BL == IMAGE).sum(1).tolist() == [subject.config.tokens + count] * 3
    of = {stage.name: {name.split(".")[0] for name in rates_by_parameter(fresh, stage)} for stage in subject.stages()}
    assert [name for name, parts in of.items() if "told" in parts] == ["warmup", "lora"]

    def told(batch) -> torch.Tensor:
        return fresh(batch).memory_BKE[:, -count:]

    other = dataclasses.replace(batch, facts_BF=1 - batch.facts_BF)
    unknown = dataclasses.replace(batch, facts_BF=torch.full_like(batch.facts_BF, torch.nan))
    nearly = dataclasses.replace(batch, facts_BF=batch.facts_BF * 0.4 + 0.3)
    with torch.no_grad():
        assert torch.allclose(told(batch) + told(other), 2 * fresh.told.name_embed.expand(3, -1, -1), atol=1e-5)
        assert not torch.allclose(told(batch), told(other), atol=1e-3)
        assert torch.equal(told(batch), told(nearly)), "a writer is told yes or no"
        called = told(unknown)
        fresh.eval()
        assert torch.equal(told(batch), told(other)), "in answering the truth is not read"
        assert torch.allclose(told(batch), called)
        assert torch.equal(fresh.remember(batch.volumes_BSDHW), fresh(batch).memory_BKE)
        labels = len(BRAIN_LABELS)
        fresh.facts.facts.bias[labels : labels + 2] += 5.0
        assert torch.allclose(told(batch), called), "left and right are told by their lobes"
        fresh.facts.facts.bias += 5.0
        assert not torch.allclose(told(batch), called, atol=1e-3)


def test_half_of_the_reports_are_learned_with_another_image_by_what_is_told():
    subject = Subject(FAMILY, changes={"tell_facts": True})
    fresh, batch = subject.model(), subject.batch(subject.studies(4))
    memory_BKE, count = fresh(batch).memory_BKE, len(fresh.told.name_embed)
    taught = fresh.told.taught(memory_BKE)
    assert torch.equal(taught[::2, :-count], memory_BKE.roll(1, 0)[::2, :-count]), "the image of the one before"
    assert torch.equal(taught[::2, -count:], memory_BKE[::2, -count:]), "and what is told is one's own"
    assert torch.equal(taught[1::2], memory_BKE[1::2])
    own = torch.autograd.grad(taught[::2, :-count].sum(), memory_BKE, allow_unused=True, retain_graph=True)[0]
    assert own is None or not own.any(), "no image is taught by another's report"
    terms = {stage.name: set(stage.objective.weights) for stage in subject.stages()}
    assert "told" in terms["warmup"] & terms["lora"]
    assert "words" in terms["towers"], "towers need what words teach"
    lora = subject.stages()[-1].objective
    learned = float(lora.sums(fresh(batch), batch)["told"])
    fresh.eval()
    with torch.no_grad():
        plain = fresh(batch)
        assert float(lora.sums(plain, batch)["told"]) == pytest.approx(
            float(weighted_token_sum(plain.words("words"), batch.words_BT, batch.weights_BT))
        ), "dev has its own image and what is called"
    assert learned != pytest.approx(float(lora.sums(plain, batch)["told"]))


def test_no_word_teaches_what_a_fact_is_and_an_explanation_goes_by_way_of_it():
    subject = Subject(FAMILY, changes={"tell_facts": True})
    fresh, batch = subject.model(), subject.batch(subject.studies(3))
    some = dataclasses.replace(batch, facts_BF=torch.full_like(batch.facts_BF, torch.nan))

    def reaches_facts() -> bool:
        fresh.zero_grad()
        fresh(some).words("words").float().logsumexp(-1).sum().backward()
        taught = fresh.facts.facts.weight.grad
        return taught is not None and bool(taught.any())

    assert not reaches_facts()
    fresh.eval()
    assert reaches_facts()


def test_one_study_left_over_of_a_dev_part_is_no_loss_and_in_training_an_error(subject):
    contrastive = next(stage for stage in subject.stages() if stage.name == "contrastive")
    batch, fresh = subject.batch(subject.studies(1)), subject.model()
    assert float(contrastive.objective.sums(fresh.eval()(batch), batch)["contrast"]) == 0
    assert int(contrastive.objective.counts(batch)["contrast"]) == 0
    with pytest.raises(MedleyError, match="a batch of 1 has nothing to compare"):
        contrastive.objective.sums(fresh.train()(batch), batch)


def test_grounding_bends_neither_projector_nor_writer(subject):
    fresh = subject.model()
    contrastive = next(stage for stage in subject.stages() if stage.name == "contrastive")
    stage_step(subject, fresh, contrastive, subject.batch(subject.studies(4)))
    reached = {name.split(".")[0] for name, p in fresh.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert reached == {"vision", "resampler", "facts", "contrast", "towers"}


def test_losses_are_asked_for_outside_the_precision_in_which_was_seen(subject, model):
    """Dev runs the model alone in bf16."""
    batch = subject.batch(subject.studies(3))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        output = model(batch)
    with torch.inference_mode():
        plain = model(batch)
        for stage in subject.stages():
            for name, total in stage.objective.sums(output, batch).items():
                assert float(total) == pytest.approx(float(stage.objective.sums(plain, batch)[name]), rel=0.1)


@pytest.mark.parametrize(
    "changes",
    [
        {"compressor": "avgpool", "tell_facts": True},
        {"compressor": "grid", "cells": [1, 2, 2]},
        {"contrastive": "sigmoid", "positions": "sincos"},
        {"sequences": ["flair", "t1c"], "depth_kernel": 3, "depth_stride": 1, "inflation": "average"},
        {"lora_paths": [r"lm\.model\.layers\.\d+\.self_attn\.[qkvo]_proj"], "tell_patient": True, "facts_weight": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("check", ["builds", "gradients", "company", "round_trip"])
def test_conformance_of_variants(check, changes):
    assert CHECKS[check](Subject(FAMILY, changes=changes)) is None


def test_voxels_are_standardised_by_the_training_part_and_that_is_saved(tmp_path, subject):
    config = build_config(FAMILY.config, {**SIZES["toy"], "standardise": "voxel"}, "toy")
    studies = subject.studies(8)
    reports = [dict(study.case.text) for study in studies]
    fitted = (config, BRAIN_LABELS, [], dict.fromkeys(BRAIN_LABELS, 0.5), reports)
    with pytest.raises(MedleyError, match="it needs two volumes of the training part or more"):
        FAMILY.fit_processor(*fitted)
    processor = FAMILY.fit_processor(*fitted, volumes=[study.volume for study in studies])
    processor.save(tmp_path)
    again = FAMILY.load_processor(config, tmp_path)
    model = FAMILY.model(config, processor).eval()
    other = FAMILY.model(config, again, pretrained=False).eval()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(model(processor(studies)).memory_BKE, other(again(studies)).memory_BKE)
        z = (model.standard(processor(studies).volumes_BSDHW)[:, : len(config.sequences)] - 0.5) / 0.5
    assert z.mean(0).abs().max() < 1e-3


def test_age_and_sex_are_said_before_the_prompt_where_they_are_known():
    subject = Subject(FAMILY, changes={"tell_patient": True})
    first, second = subject.studies(2)
    known = changed(first, case=dataclasses.replace(first.case, sex="F", age_years=50.0))
    prompt_BL = subject.processor([known, second]).prompt_BL
    assert prompt_BL[1, 0] == NOTHING
    assert prompt_BL[0, 0] == IMAGE


def test_the_published_system_is_a_preset(tmp_path):
    upstream = build_config(BrainGemma3DConfig, {"preset": "upstream"}, "paper")
    assert (upstream.compressor, upstream.inflation, upstream.lora_rank) == ("avgpool", "average", 16)
    assert upstream.inflated.grid(upstream.grid, 14) == (65, 9, 9), "5,265 patches"
    assert build_config(BrainGemma3DConfig, {"preset": "upstream", "lora_rank": 4}, "paper").lora_rank == 4
    again = build_config(BrainGemma3DConfig, upstream.model_dump(mode="json"), "again")
    assert again == upstream
    released = Projector(32, 32)
    torch.save({"vision_projector": released.map.state_dict(), "vis_scale": 1.5}, tmp_path / "projector_vis_scale.pt")
    small = {"preset": "upstream", "load": "fp32", "released": str(tmp_path / "projector_vis_scale.pt")}
    subject = Subject(FAMILY, changes=small)
    model = subject.model().eval()
    assert float(model.projector.scale.detach()) == 1.5
    assert torch.equal(model.projector.map[0].weight, released.map[0].weight)
    assert not hasattr(model, "facts")
    studies = subject.studies(2)
    with torch.no_grad():
        output = model(subject.processor(studies))
    assert output.memory_BKE.shape[1] == 4
    assert subject.processor.predictions(output, studies)[0].scores == {}
    assert len(subject.reports(model, studies)) == 2


def test_the_published_sizes_are_counted_on_no_device():
    config = build_config(BrainGemma3DConfig, SIZES["paper"], "paper")
    processor = sketch(config)
    with torch.device("meta"):
        model = FAMILY.model(config, processor, pretrained=False)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert counts["projector"] == FAMILY.reference["projector"][0] == 9_507_841
    assert counts["decoder"] == FAMILY.reference["decoder"][0]
    adapters = sum(p.numel() for name, p in model.named_parameters() if "lora_" in name)
    assert adapters == 2_228_224
    assert model.vision.grid == (64, 10, 10)
    trained = {name for stage in FAMILY.stages(config, processor) for name in rates_by_parameter(model, stage)}
    assert not any(name.startswith("decoder") and "lora_" not in name for name in trained)


def test_bad_configs_are_one_line():
    toy = SIZES["toy"]
    with pytest.raises(MedleyError, match="name one or more, each once"):
        build_config(FAMILY.config, {**toy, "sequences": ["t1", "t1"]}, "toy")
    with pytest.raises(MedleyError, match="a small Gemma has no chat template: set it to raw"):
        build_config(FAMILY.config, {**toy, "prompt": "chat"}, "toy")
    with pytest.raises(MedleyError, match="a side of 20 is no multiple of the patch, 8: choose 16 or 24"):
        Subject(FAMILY, changes={"grid": [8, 20, 16]}).processor  # noqa: B018
    with pytest.raises(MedleyError, match="there are no facts to tell"):
        build_config(FAMILY.config, {**toy, "tell_facts": True, "facts_weight": 0}, "toy")
    config = build_config(FAMILY.config, toy, "toy")
    with pytest.raises(MedleyError, match="no study of the training part has a report"):
        FAMILY.fit_processor(config, BRAIN_LABELS, [], dict.fromkeys(BRAIN_LABELS, 0.5), [{}])
    blank = Volume(("t1",), np.zeros((1, 8, 16, 16), np.uint8), np.eye(4), (8, 16, 16), np.eye(4))
    subject = Subject(FAMILY)
    with pytest.raises(MedleyError, match="its sequences are t1; the model reads flair"):
        subject.processor([changed(subject.studies(1)[0], volume=blank)])


def test_the_batch_moves_to_a_device_as_a_whole(subject):
    batch = to_device(subject.batch(subject.studies(2)), "meta")
    tensors = [value for value in vars(batch).values() if isinstance(value, torch.Tensor)]
    assert all(tensor.device.type == "meta" for tensor in tensors)

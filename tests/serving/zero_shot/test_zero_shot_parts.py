"""What a general model is shown and told, and what of its answer is the report."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.records import Volume
from medley.serving.zero_shot.answers import Answer, AnswerStore, report_of
from medley.serving.zero_shot.model import Written, open_reader
from medley.serving.zero_shot.prompts import CONVENTIONS, read_prompt
from medley.serving.zero_shot.slices import GRID, MOST, PX, slice_pictures, slice_places


def volume_of(voxels_DHW: np.ndarray) -> Volume:
    return Volume(("flair",), voxels_DHW[None], np.eye(4), GRID.shape, np.eye(4))


def test_slices_are_evenly_spaced_from_the_base_up_and_all_of_them_where_64_are_asked():
    assert slice_places(MOST) == list(range(MOST))
    assert slice_places(1) == [32]
    assert slice_places(4) == [8, 24, 40, 56]
    for slices in range(1, MOST + 1):
        steps = np.diff(slice_places(slices))
        assert len(slice_places(slices)) == slices
        assert steps.size == 0 or steps.max() - steps.min() <= 1
    for wrong in (0, 65):
        with pytest.raises(MedleyError, match="so 1 to 64 can be shown"):
            slice_places(wrong)


@pytest.mark.parametrize(("convention", "left"), [("neurological", slice(0, 8)), ("radiological", slice(-8, None))])
def test_the_patients_left_and_front_are_where_the_prompt_says(convention, left):
    voxels = np.zeros(GRID.shape, np.uint8)
    voxels[40:, -16:, :8] = 255  # upper, front, the patient's left
    pictures = slice_pictures(volume_of(voxels), 8, convention)
    assert [picture.shape for picture in pictures] == [(PX, PX)] * 8
    shown = np.zeros((PX, PX), np.uint8)
    shown[:16, left] = 255
    assert not any(picture.any() for picture in pictures[:5]), "the base of the brain comes first"
    assert all((picture == shown).all() for picture in pictures[5:])
    side = "left" if convention == "neurological" else "right"
    assert f"the patient's left is on the {side}" in read_prompt(None, "flair", 8, convention).instruction


def test_our_prompt_is_filled_in_and_changes_with_what_is_asked():
    prompts = [
        read_prompt(None, "flair", 64, "neurological"),
        read_prompt(None, "flair", 8, "neurological"),
        read_prompt(None, "t1c", 64, "neurological"),
        read_prompt(None, "flair", 64, "radiological"),
    ]
    for prompt in prompts:
        assert "{" not in prompt.instruction + prompt.question
        assert "MRI" in prompt.instruction
        assert "CT" in prompt.instruction
        assert "lobe" in prompt.question
    assert "64 axial slices" in prompts[0].instruction
    assert CONVENTIONS["neurological"] in prompts[0].instruction
    assert len({prompt.digest for prompt in prompts}) == 4


def test_a_prompt_of_ones_own(tmp_path):
    path = tmp_path / "prompt.txt"
    path.write_text('Of {slices} slices, left is left. Answer as {"report": ...}\n---\nWhat is wrong?\n')
    prompt = read_prompt(path, "flair", 3, "neurological")
    assert prompt.instruction == 'Of 3 slices, left is left. Answer as {"report": ...}'
    assert prompt.question == "What is wrong?"
    for text, words in (
        ("Left. What is wrong?", "has 0 lines '---'"),
        ("Left.\n---\nWhat?\n---\nThanks.", "has 2 lines '---'"),
        ("---\nWhat is left?", "no instruction above its line"),
        ("Left.\n---\n\n", "no question below its line"),
        ("Slices.\n---\nWhat is wrong?", "put {sides} into it"),
    ):
        path.write_text(text)
        with pytest.raises(MedleyError) as error:
            read_prompt(path, "flair", 3, "neurological")
        assert words in str(error.value)
        assert str(path) in str(error.value)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MedleyError, match="not a text file in UTF-8"):
        read_prompt(path, "flair", 3, "neurological")


@pytest.mark.parametrize(
    ("written", "report"),
    [
        ("FINDINGS: A lesion.\nIMPRESSION: Glioma.", "A lesion.\nGlioma."),
        ("**Findings:**\nA lesion.\n\n**Impression:** Glioma.", "A lesion.\n\nGlioma."),
        ("## FINDINGS\nA lesion.\n## Impression\nGlioma.", "A lesion.\n\nGlioma."),
        ("A lesion. IMPRESSION: Glioma.", "A lesion. Glioma."),
        ("Findings are those of a glioma. My impression: a glioma.", None),
        ("TECHNIQUE: FLAIR.\nThe impression of a mass on the ventricle.", None),
        ("- No finding: normal.", None),
    ],
)
def test_headings_are_taken_away_and_nothing_else(written, report):
    assert report_of(written) == (written if report is None else report)


def test_the_model_reads_instruction_slices_with_their_numbers_and_the_question(tiny_model):
    reader = open_reader(str(tiny_model), None, "cpu", "auto")
    prompt = read_prompt(None, "flair", 3, "neurological")
    pictures = [np.full((PX, PX), value, np.uint8) for value in (0, 100, 255)]
    inputs = reader._inputs(pictures, prompt)
    told = reader.processor.tokenizer.decode(inputs["input_ids"][0])
    places = [
        told.index(prompt.instruction),
        *(told.index(f"SLICE {n}") for n in (1, 2, 3)),
        told.index(prompt.question),
    ]
    assert places == sorted(places)
    assert "SLICE 3\n\n" + prompt.question in told
    images = [place for place in range(len(told)) if told.startswith("<start_of_image>", place)]
    assert len(images) == 3
    assert all(image < slice_ for image, slice_ in zip(images, places[1:4], strict=True)), "each before its number"
    assert told.endswith("<start_of_turn>model\n")
    brightness = inputs["pixel_values"].mean((1, 2, 3))
    assert brightness[0] < brightness[1] < brightness[2]
    assert (reader.dtype, reader.device.type) == ("fp32", "cpu")


def ask(reader, value=90, **how):
    pictures = [np.full((PX, PX), value, np.uint8)] * 2
    return reader.ask(pictures, read_prompt(None, "flair", 2, "neurological"), **{"max_tokens": 12, **how})


def test_greedy_answers_are_the_same_again_and_draws_follow_the_seed(tiny_model):
    reader = open_reader(str(tiny_model), None, "cpu", "fp32")
    assert ask(reader) == ask(reader, seed=("other",))
    drawn = [ask(reader, temperature=3.0, seed=(seed,)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_an_answer_that_is_cut_is_marked_and_one_that_ends_is_not(tiny_model):
    reader = open_reader(str(tiny_model), None, "cpu", "fp32")
    prompt = read_prompt(None, "flair", 2, "neurological")
    pictures = [np.full((PX, PX), 90, np.uint8)] * 2
    inputs = reader._inputs(pictures, prompt)
    row = reader.model.generate(**inputs, max_new_tokens=12, do_sample=False)[
        0, inputs["input_ids"].shape[1] :
    ].tolist()
    cut = ask(reader)
    assert cut.cut
    assert cut.tokens == 12
    end = next(token for token in row if token != row[0])
    reader.model.generation_config.eos_token_id = [1, end]
    ended = ask(reader)
    assert not ended.cut
    assert ended.tokens == row.index(end) + 1
    assert reader.model.generation_config.do_sample is not True, "the model's own settings stay as they are"
    short = ask(reader, max_tokens=row.index(end))
    assert short.cut, "it would have ended with the next word"


def test_a_thought_before_the_answer_is_no_part_of_the_report(tiny_model):
    reader = open_reader(str(tiny_model), None, "cpu", "fp32")
    tokenizer = reader.processor.tokenizer
    answer = tokenizer("<unused94>thought: left?<unused95>A right lesion.<end_of_turn>")["input_ids"]

    class Said:
        config, generation_config = reader.model.config, reader.model.generation_config

        def generate(self, input_ids, **_):
            import torch

            return torch.cat([input_ids, torch.tensor([answer])], dim=1)

    written = ask(dataclasses.replace(reader, model=Said()))
    assert written.text == "A right lesion."
    assert "left?" in written.whole
    assert not written.cut


def test_what_a_model_cannot_take_is_said(tiny_model, save_model, tmp_path):
    reader = open_reader(str(save_model(tmp_path / "short", context=64)), None, "cpu", "fp32")
    with pytest.raises(MedleyError, match=r"reads 64 tokens, and 2 slices with their prompt are \d+ before an answer"):
        ask(reader)
    blind = "{% for turn in messages %}{% for part in turn['content'] %}{{ part['text'] }}{% endfor %}{% endfor %}"
    reader = open_reader(str(save_model(tmp_path / "blind", template=blind)), None, "cpu", "fp32")
    with pytest.raises(MedleyError, match="does not take 2 slices in a turn"):
        ask(reader)


def test_what_is_no_model_of_pictures_and_words_is_one_line(save_model, tiny_model, tmp_path):
    from transformers import BertConfig, BertModel

    BertModel(BertConfig(vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=1)).save_pretrained(
        tmp_path / "bert"
    )
    save_model(tmp_path / "mute", template=None)
    bare = save_model(tmp_path / "bare")
    for name in ("processor_config.json", "chat_template.jinja", "tokenizer.json", "tokenizer_config.json"):
        (bare / name).unlink()
    partial = save_model(tmp_path / "partial")
    from safetensors.torch import load_file, save_file

    tensors = load_file(partial / "model.safetensors")
    gone = next(name for name in tensors if name.endswith("q_proj.weight"))
    save_file({k: v for k, v in tensors.items() if k != gone}, partial / "model.safetensors", metadata={"format": "pt"})
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text(json.dumps({"model_type": "m3d", "auto_map": {"AutoConfig": "m3d.M3DConfig"}}))
    for folder, words in (
        ("bert", "is a bert, no image-text-to-text model"),
        ("mute", "has no chat template"),
        ("bare", "preprocessor_config.json"),
        ("partial", "lacks 1 tensors of its own architecture"),
        ("foreign", "brings code of its own, which is never run here"),
        ("none", "cannot be loaded"),
    ):
        with pytest.raises(MedleyError) as error:
            open_reader(str(tmp_path / folder), None, "cpu", "fp32")
        assert words in str(error.value), folder
        assert folder in str(error.value)
    with pytest.raises(MedleyError, match="has no revisions"):
        open_reader(str(tiny_model), "main", "cpu", "fp32")
    with pytest.raises(MedleyError, match="unknown dtype 'fp61'"):
        open_reader(str(tiny_model), None, "cpu", "fp61")
    with pytest.raises(MedleyError, match=r"--device mps:9 cannot be used here \("):
        open_reader(str(tiny_model), None, "mps:9", "fp32")


def test_a_gated_model_says_what_to_do(monkeypatch):
    from transformers import AutoConfig

    def refuse(*_, **__):
        raise OSError("You are trying to access a gated repo.\nMake sure to have access to it.")

    monkeypatch.setattr(AutoConfig, "from_pretrained", refuse)
    with pytest.raises(MedleyError, match=r"accept its terms at https://huggingface\.co/owner/name and log in"):
        open_reader("owner/name", None, "cpu", "fp32")


def test_the_revision_of_a_folder_is_its_bytes(tiny_model, save_model, tmp_path):
    import shutil

    same = shutil.copytree(tiny_model, tmp_path / "same")
    first, second = (open_reader(str(folder), None, "cpu", "fp32").revision for folder in (tiny_model, same))
    assert first == second
    (same / "chat_template.jinja").write_text((same / "chat_template.jinja").read_text() + " ")
    assert open_reader(str(same), None, "cpu", "fp32").revision != first


def test_answers_are_kept_under_any_name_and_one_folder_is_of_one_question(tmp_path):
    store = AnswerStore(tmp_path / "out", {"slices": 8, "seed": 0})
    store.begin({})
    answer = Answer("a/b: ç", Written("A lesion.", 3, False, "A lesion."), "cpu")
    store.keep(answer)
    again = AnswerStore(tmp_path / "out", {"slices": 8, "seed": 0})
    assert again.read("a/b: ç") == answer
    assert again.read("a/b") is None
    with pytest.raises(MedleyError, match=r"another question \(slices is '8' there and '4' now\)"):
        AnswerStore(tmp_path / "out", {"slices": 4, "seed": 0})
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(MedleyError, match="holds other files"):
        AnswerStore(tmp_path, {"slices": 4})

"""Any image-text-to-text model of Hugging Face, asked about the slices of one volume in one turn of a chat.

    user:   instruction   [picture] SLICE 1   [picture] SLICE 2   …   [picture] SLICE N, question
    model:  the report

The model's own chat template and processor say how that is written and how large a picture is seen. Code that a
checkpoint brings along is never run.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256 as sha256_of
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medley.core.errors import MedleyError, cannot_load, choose
from medley.core.files import sha256
from medley.core.seeds import seed_torch
from medley.serving.zero_shot.prompts import Prompt

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
EXAMPLE = "google/medgemma-1.5-4b-it"
_THOUGHT = "<unused95>"  # MedGemma may think before it answers; with this token the thought ends
_OF_A_MODEL = {".json", ".safetensors", ".jinja", ".model", ".txt"}


@dataclass(frozen=True)
class Written:
    """What the model wrote: the text after a thought, the tokens of all of it, whether it was stopped before its end,
    and the text whole."""

    text: str
    tokens: int
    cut: bool
    whole: str


@dataclass(frozen=True)
class SliceReader:
    """A loaded model. `revision` is the hub's commit, or of a local folder the sha256 of its files."""

    name: str
    revision: str
    dtype: str
    device: torch.device
    processor: Any
    model: Any

    @torch.inference_mode()
    def ask(
        self,
        pictures: Sequence[np.ndarray],
        prompt: Prompt,
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: Sequence[object] = (0,),
    ) -> Written:
        """The report of slices, uint8 [px, px] each. Greedy at temperature 0, else a draw that `seed` fixes.

        Raises MedleyError where the model cannot take so many slices: its template, its context, the memory.
        """
        inputs = self._inputs(pictures, prompt)
        asked = int(inputs["input_ids"].shape[1])
        self._check_length(asked, max_tokens, len(pictures))
        how, ends = self._how(max_tokens, temperature)
        seed_torch(*seed)
        try:
            row = self.model.generate(**inputs, generation_config=how)[0, asked:].tolist()
        except torch.OutOfMemoryError as error:
            cure = "ask with fewer --slices, or --dtype bf16"
            raise MedleyError(f"{len(pictures)} slices do not fit into the memory of {self.device}; {cure}") from error
        cut = bool(row) and row[-1] not in ends
        tokenizer = self.processor.tokenizer
        thought = tokenizer.get_vocab().get(_THOUGHT)
        after = row[len(row) - row[::-1].index(thought) :] if thought in row else row
        text, whole = (tokenizer.decode(part, skip_special_tokens=True).strip() for part in (after, row))
        return Written(text, len(row), cut, whole)

    def _inputs(self, pictures: Sequence[np.ndarray], prompt: Prompt) -> Any:
        from jinja2.exceptions import TemplateError
        from PIL import Image

        content: list[dict[str, Any]] = [{"type": "text", "text": prompt.instruction}]
        for number, picture in enumerate(pictures, start=1):
            # templates strip what they join: the question goes into the last text, so that a line stays between them
            below = f"\n\n{prompt.question}" if number == len(pictures) else ""
            content.append({"type": "image", "image": Image.fromarray(picture).convert("RGB")})
            content.append({"type": "text", "text": f"SLICE {number}{below}"})
        turn = [{"role": "user", "content": content}]
        how = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
        try:
            inputs = self.processor.apply_chat_template(turn, **how)
        except (ValueError, TypeError, TemplateError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise MedleyError(f"model '{self.name}' does not take {len(pictures)} slices in a turn: {first}") from error
        if not any(key.startswith("pixel_values") for key in inputs):
            raise MedleyError(f"model '{self.name}': its chat template leaves the pictures out; no slice would be seen")
        return inputs.to(self.device, dtype=TYPES[self.dtype])

    def _check_length(self, asked: int, max_tokens: int, slices: int) -> None:
        most = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if most is not None and asked + max_tokens > most:
            raise MedleyError(
                f"model '{self.name}' reads {most} tokens, and {slices} slices with their prompt are {asked} before an "
                f"answer of {max_tokens}; ask with fewer --slices or --max-tokens"
            )

    def _how(self, max_tokens: int, temperature: float) -> tuple[Any, set[int]]:
        """The model's own way to write but for the choice of words, and the tokens that end an answer."""
        how = copy.deepcopy(self.model.generation_config)
        drawn = {"temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature else {}
        greedy = {"temperature": None, "top_k": None, "top_p": None, "min_p": None, "typical_p": None}
        how.update(do_sample=bool(temperature), num_beams=1, max_new_tokens=max_tokens, max_length=None)
        how.update(**(drawn or greedy))
        if how.eos_token_id is None:
            how.eos_token_id = self.processor.tokenizer.eos_token_id
        ends = {how.eos_token_id} if isinstance(how.eos_token_id, int) else {*(how.eos_token_id or ())}
        if how.pad_token_id is None:
            how.pad_token_id = next(iter(sorted(ends)), None)  # one row is asked: nothing is padded
        return how, ends


def open_reader(name: str, revision: str | None, device: str | None, dtype: str) -> SliceReader:
    """A model by hub id or local folder, on a device: cuda where there is one, unless it is said.

    `dtype` auto is bf16 on CUDA and fp32 elsewhere. Raises MedleyError for what is no image-text-to-text model, has no
    processor or chat template, lacks weights, needs code of its own, or cannot be had.
    """
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # its bars stay on the screen above ours
    place = _device(device)
    if dtype == "auto":
        dtype = "bf16" if place.type == "cuda" else "fp32"
    choose(dtype, TYPES, "dtype")
    if revision is not None and Path(name).is_dir():
        raise MedleyError(f"{name} is a local folder, which has no revisions; leave --revision away")
    which: dict[str, Any] = {"trust_remote_code": False, **({"revision": revision} if revision else {})}
    with _loading(name):
        config = AutoConfig.from_pretrained(name, **which)
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        kind = f"a {config.model_type}, no image-text-to-text model"
        raise MedleyError(f"model '{name}' is {kind}: it cannot be asked about slices; give one such as {EXAMPLE}")
    with _loading(name):
        processor = AutoProcessor.from_pretrained(name, **which)
    if not (hasattr(processor, "tokenizer") and hasattr(processor, "image_processor")):
        cure = "save its processor beside it with processor.save_pretrained"
        raise MedleyError(f"model '{name}' has no processor of pictures and words; {cure}")
    if not processor.chat_template:
        raise MedleyError(
            f"model '{name}' has no chat template: it was not taught to answer; give one such as {EXAMPLE}"
        )
    with _loading(name):
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            name, dtype=TYPES[dtype], output_loading_info=True, **which
        )
    model, found = loaded
    if lacking := sorted(found["missing_keys"]):
        raise MedleyError(
            f"model '{name}' lacks {len(lacking)} tensors of its own architecture, first '{lacking[0]}': it is no "
            "whole checkpoint; save it again with save_pretrained"
        )
    return SliceReader(name, _revision(name, config), dtype, place, processor, model.eval().to(place))


def _device(device: str | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).splitlines()[0]
        raise MedleyError(f"--device {device} cannot be used here ({first}); medley doctor lists what can") from error
    return place


def _revision(name: str, config: Any) -> str:
    folder = Path(name)
    if not folder.is_dir():
        return str(getattr(config, "_commit_hash", None))
    kept = sorted(path for path in folder.iterdir() if path.suffix in _OF_A_MODEL)
    listed = "\n".join(f"{path.name} {sha256(path)}" for path in kept)
    return f"sha256:{sha256_of(listed.encode()).hexdigest()[:40]}"


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """What cannot be loaded, in one line that says what to do."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        said = str(error)
        if "gated" in said:
            cure = f"accept its terms at https://huggingface.co/{name} and log in with `hf auth login`"
            raise MedleyError(f"model '{name}' is gated: {cure}, or give a local folder that holds it") from error
        if "trust_remote_code" in said or "custom code" in said:
            cure = "run it in an environment of its own and score its answers (docs/zero_shot.md)"
            raise MedleyError(f"model '{name}' brings code of its own, which is never run here; {cure}") from error
        raise cannot_load("model", name, error) from error

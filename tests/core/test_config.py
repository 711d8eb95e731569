"""A recipe's mistakes are named with the key, the rule and the nearest right name, wherever they stand."""

from __future__ import annotations

import math

import pytest
import yaml
from pydantic import Field

from medley.core.config import Config, build_config, dump_yaml, merged, read_yaml, with_settings
from medley.core.errors import MedleyError


class Inner(Config):
    epochs: int = Field(1, ge=1)
    """Passes."""


class Outer(Config):
    inner: Inner = Inner()
    """One."""
    named: dict[str, Inner] = Field(default_factory=dict)
    """Several."""
    maybe: Inner | None = None
    """None or one."""
    rate: float = 0.1
    """A rate."""
    uncertain: str | dict[str, str] = "ignore"
    """A word, or one a label."""


def fails(values: dict) -> str:
    with pytest.raises(MedleyError) as caught:
        build_config(Outer, values, "r.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ratee": 1}, "unknown key 'ratee'; did you mean 'rate'?"),
        ({"inner": {"epoch": 1}}, "unknown key 'inner.epoch'; did you mean 'epochs'?"),
        ({"named": {"joint": {"epoch": 1}}}, "unknown key 'named.joint.epoch'; did you mean 'epochs'?"),
        ({"maybe": {"epoch": 1}}, "unknown key 'maybe.epoch'; did you mean 'epochs'?"),
        ({"inner": {"epochs": 0}}, "'inner.epochs' input should be greater than or equal to 1, got 0"),
        ({"rate": "fast"}, "'rate' input should be a valid number"),
        ({"zzz": 1}, "known: inner, maybe, named, rate, uncertain"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_cure(values, said):
    message = fails(values)
    assert message.startswith("r.yaml: ")
    assert said in message


def test_every_mistake_is_said_at_once():
    message = fails({"ratee": 1, "inner": {"epochs": -3}})
    assert "'ratee'" in message
    assert "'inner.epochs'" in message


def test_a_key_that_is_no_text_is_an_error_that_names_it():
    assert "'3'" in fails({3: 1})


def test_a_config_is_frozen_and_survives_its_own_yaml():
    config = build_config(Outer, {"named": {"a": {"epochs": 4}}, "uncertain": {"default": "ones"}}, "x")
    assert build_config(Outer, yaml.safe_load(dump_yaml(config)), "again") == config
    with pytest.raises(ValueError, match="frozen"):
        config.rate = 2.0


def test_the_sentence_under_a_field_is_its_help():
    assert Outer.model_fields["rate"].description == "A rate."


def test_settings_are_laid_over_nested_keys_and_read_as_yaml():
    document = {"a": {"b": 1, "keep": 2}, "c": [1]}
    out = with_settings(document, ["a.b=0.5", "c=[2, 3]", "new.deep.key=null", "text=a=b"])
    assert out == {"a": {"b": 0.5, "keep": 2}, "c": [2, 3], "new": {"deep": {"key": None}}, "text": "a=b"}
    assert document == {"a": {"b": 1, "keep": 2}, "c": [1]}, "the document itself is left alone"


@pytest.mark.parametrize("setting", ["a.b", "=3", "a..b=3", ".a=3", "a.b=[1", "a={"])
def test_a_setting_that_cannot_be_read_is_one_line(setting):
    with pytest.raises(MedleyError, match="--set") as caught:
        with_settings({}, [setting])
    assert setting in str(caught.value)


def test_merging_replaces_everything_but_mappings():
    assert merged({"a": {"x": 1}, "b": [1, 2]}, {"a": {"y": 2}, "b": [3]}) == {"a": {"x": 1, "y": 2}, "b": [3]}
    assert merged({"a": {"x": 1}}, {"a": None}) == {"a": None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"- a\n- b\n", "must be a mapping of keys to values, it is list"),
        (b"", "must be a mapping of keys to values, it is NoneType"),
        (b"a: [1\n", "is not YAML"),
        (b"\xff\xfe\x00a", "is not YAML"),
        (b"a: !!python/object/apply:os.system ['true']\n", "is not YAML"),
        (b"seed: 1\nmodel: {}\nseed: 2\n", "the key 'seed' stands twice"),
        (b"model: {image_px: 1, image_px: 2}\n", "the key 'image_px' stands twice"),
    ],
)
def test_a_file_that_is_no_strict_yaml_mapping_is_refused_by_name(tmp_path, text, said):
    path = tmp_path / "r.yaml"
    path.write_bytes(text)
    with pytest.raises(MedleyError, match=r"r\.yaml") as caught:
        read_yaml(path)
    assert said in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(MedleyError, match="does not exist"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(MedleyError, match="is a folder"):
        read_yaml(tmp_path)


def test_nan_and_infinity_survive_the_resolved_document():
    config = build_config(Outer, {"rate": math.inf}, "x")
    assert build_config(Outer, yaml.safe_load(dump_yaml(config)), "again").rate == math.inf

"""Configuration is a typed document: strict YAML, data only, unknown keys are errors that name the nearest right key.

Every config class derives from `Config`; the sentence under a field is its help text. Nothing here knows what a model
is: a family's own Config lives in the family's file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from medley.core.errors import MedleyError, nearest


class Config(BaseModel):
    """Frozen; an unknown key is an error; the docstring under a field is its description."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)


C = TypeVar("C", bound=Config)


def build_config(config: type[C], values: Mapping[str, Any], where: str) -> C:
    """`config(**values)`, with every pydantic complaint turned into one line a person can act on."""
    try:
        return config.model_validate(dict(values))
    except ValidationError as error:
        raise MedleyError(f"{where}: " + "; ".join(_complaint(config, item) for item in error.errors())) from error


def _complaint(config: type[BaseModel], item: Any) -> str:
    path = ".".join(str(part) for part in item["loc"] if not _is_union_tag(part))
    if item["type"] == "extra_forbidden":
        key = str(item["loc"][-1])
        return f"unknown key '{path}'{nearest(key, _keys_at(config, item['loc'][:-1]))}"
    if item["type"] == "missing":
        return f"'{path}' is required"
    message = item["msg"].removeprefix("Value error, ")
    return f"'{path}' {message[:1].lower() + message[1:]}, got {item['input']!r}" if path else message


def _is_union_tag(part: object) -> bool:
    """pydantic puts the name of a union's member class into the location; a person never wrote it."""
    return isinstance(part, str) and part[:1].isupper() and part.isidentifier() and part.endswith("Config")


def _keys_at(config: type[BaseModel], location: Sequence[Any]) -> list[str]:
    """The field names that are right at this place of the document."""
    for part in location:
        if isinstance(part, str) and part in config.model_fields:
            annotation = config.model_fields[part].annotation
            for candidate in (annotation, *getattr(annotation, "__args__", ())):
                if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                    config = candidate
                    break
    return list(config.model_fields)


class _StrictLoader(yaml.SafeLoader):
    """Plain data, and a key that stands twice in one mapping is an error: YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' stands twice", key.start_mark
                )
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path | str) -> dict[str, Any]:
    """A YAML file that is one mapping, read as plain data."""
    path = Path(path)
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
    except FileNotFoundError as error:
        raise MedleyError(f"{path} does not exist") from error
    except IsADirectoryError as error:
        raise MedleyError(f"{path} is a folder, not a YAML file") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise MedleyError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise MedleyError(f"{path} must be a mapping of keys to values, it is {type(document).__name__}")
    return document


def dump_yaml(config: Config) -> str:
    """The fully resolved config as YAML that `build_config` reads back to an equal config."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def with_settings(document: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """The document with each `a.b=value` of the command line set; the value is read as YAML."""
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not all(key.split(".")):
            raise MedleyError(f"--set {setting}: must look like a.b=value")
        try:
            change: Any = yaml.load(value, _StrictLoader)
        except yaml.YAMLError as error:
            raise MedleyError(f"--set {setting}: the value is not YAML: {error}") from error
        for part in reversed(key.split(".")):
            change = {part: change}
        document = merged(document, change)
    return dict(document)


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `change` laid over it; mappings are merged, everything else is replaced."""
    out = dict(base)
    for key, value in change.items():
        below = out.get(key)
        out[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return out

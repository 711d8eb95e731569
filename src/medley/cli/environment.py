"""What `medley doctor` reports, read from the installed package's own requirements."""

from __future__ import annotations

import os
import platform
import re
import shutil
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path


def examine() -> dict[str, dict[str, str]]:
    """Title -> name -> finding: machine, core packages, one entry an extra, decoders, folders."""
    core, extras = _requirements()
    return {
        "machine": _machine(),
        "core": {name: _state(name, wanted) for name, wanted in core.items()},
        "extras": {extra: _extra(extra, packages) for extra, packages in extras.items()},
        "image decoders": _decoders(),
        "folders": _folders(),
    }


def _requirements() -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    core: dict[str, str] = {}
    extras: dict[str, dict[str, str]] = {}
    for line in requires("medley") or ():
        spec, _, marker = line.partition(";")
        name, wanted = re.fullmatch(r"\s*([\w.\-]+)\s*(.*?)\s*", spec).groups()  # type: ignore[union-attr]
        extra = re.search(r"extra == ['\"](\w+)['\"]", marker)
        (extras.setdefault(extra.group(1), {}) if extra else core)[name] = wanted
    return core, extras


def _state(name: str, wanted: str) -> str:
    from packaging.specifiers import SpecifierSet

    try:
        have = version(name)
    except PackageNotFoundError:
        return "missing"
    return have if SpecifierSet(wanted).contains(have.split("+")[0], prereleases=True) else f"{have}, wanted {wanted}"


def _extra(extra: str, packages: dict[str, str]) -> str:
    missing = [name for name, wanted in packages.items() if _state(name, wanted) == "missing"]
    return f"missing {', '.join(missing)}: pip install 'medley[{extra}]'" if missing else "complete"


def _machine() -> dict[str, str]:
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "torch": torch.__version__,
        "bf16 on the CPU": "matrix tiles (amx)"
        if torch.cpu._is_amx_tile_supported()
        else "no matrix tiles: fp32 may be as fast",
    }
    if not torch.cuda.is_available():
        return {**found, "GPU": "none; training runs on the CPU"}
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        found[f"GPU {index}"] = f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB"
    return found


def _decoders() -> dict[str, str]:
    from pydicom.pixels import get_decoder
    from pydicom.uid import JPEG2000, JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSNearLossless, RLELossless

    names = {
        "DICOM JPEG": JPEGBaseline8Bit,
        "DICOM JPEG lossless": JPEGLosslessSV1,
        "DICOM JPEG-LS": JPEGLSNearLossless,
        "DICOM JPEG 2000": JPEG2000,
        "DICOM RLE": RLELossless,
    }
    found = {}
    for name, syntax in names.items():
        decoder = get_decoder(syntax)
        found[name] = "ready" if decoder.is_available else "; ".join(decoder.missing_dependencies)
    return found


def _folders() -> dict[str, str]:
    from medley.data.source import cache_folder

    folder = cache_folder()
    there = folder if folder.exists() else Path.home()
    free = shutil.disk_usage(there).free / 2**30
    real = os.environ.get("MEDLEY_REAL_DATA")
    return {
        "cache": f"{folder} ({free:.0f} GiB free)",
        "MEDLEY_REAL_DATA": real or "not set: the tests in tests/real are skipped",
    }

"""`medley index READER`: a dataset as it lies on disk -> a case table. One sub-command a reader, built when asked for.

The group is lazy because each reader's help is its module's own text: `medley --help` imports none of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from types import ModuleType

    from medley.data.cases import CaseTable
    from medley.data.readers.reading import Reading

Roots = Annotated[list[str], typer.Option("--root")]
Csv = Annotated[Path | None, typer.Option("--csv", help="The table to read, where it is not the one expected.")]
Out = Annotated[Path, typer.Option("--out", help="Case table to write (cases.parquet).")]
Map = Annotated[list[str] | None, typer.Option("--map")]
Labels = Annotated[str | None, typer.Option("--labels")]
Hash = Annotated[bool, typer.Option("--hash/--no-hash", help="Store the sha256 of every image: reads them all once.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


class _Readers(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        from medley.data.readers import READERS

        return list(READERS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        from medley.data.readers import load

        return _command(cmd_name, load(cmd_name))


app = typer.Typer(
    cls=_Readers, no_args_is_help=True, help="A dataset as it lies on disk -> case table (READER --help)."
)


@app.callback()
def _index() -> None:
    """A dataset as it lies on disk -> case table. READER --help: how to obtain the data, and the tree it expects."""


def _command(name: str, module: ModuleType) -> Any:
    one = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    text = "\n\n".join("\b\n" + block for block in module.HELP.split("\n\n"))  # \b: keep the lines as they are
    one.command(name, help=text, short_help=module.HELP.partition("\n")[0])(_index_function(module))
    command = typer.main.get_command(one)
    helps = {"columns": "map", "labels": "labels"}  # option of a reader -> parameter of the command
    given = {parameter: module.OPTIONS[option] for option, parameter in helps.items() if option in module.OPTIONS}
    given["root"] = "DIR, or NAME=DIR: " + "; ".join(f"{key}, {what}" for key, what in module.ROOTS.items())
    command.params = [one for one in command.params if one.name in given or one.name not in helps.values()]
    for parameter in command.params:
        if parameter.name in given:
            parameter.help = given[parameter.name]  # type: ignore[attr-defined]
    return command


def _index_function(module: ModuleType) -> Callable[..., None]:
    def index(
        root: Roots,
        out: Out,
        csv: Csv = None,
        map: Map = None,
        labels: Labels = None,
        hash: Hash = True,
        as_json: Json = False,
    ) -> None:
        from medley.core.errors import MedleyError
        from medley.data.cases import portable, write_cases
        from medley.data.readers.hashing import with_hashes

        roots = _roots(root, next(iter(module.ROOTS)))
        reading = module.read(roots, csv, **_options(map or [], labels))
        if hash:
            reading = _hashed(reading, with_hashes)
        if not reading.cases:
            raise MedleyError(f"no usable study was found: {'; '.join(reading.remarks)}")
        table = write_cases(out, [portable(case, out.parent) for case in reading.cases], reading.labels)
        _print(_summary(table, reading, out), as_json)
        if reading.left_out:
            raise typer.Exit(1)

    return index


def _roots(given: Sequence[str], first: str) -> dict[str, Path]:
    from medley.core.errors import MedleyError

    roots: dict[str, Path] = {}
    for item in given:
        name, equals, folder = item.partition("=")
        if not equals or Path(item).is_dir():  # a folder's own name may hold a =
            name, folder = first, item
        if name in roots:
            raise MedleyError(f"--root {name} is given twice: {roots[name]} and {folder}")
        roots[name] = Path(folder)
    return roots


def _options(mapping: Sequence[str], labels: str | None) -> dict[str, Any]:
    """What the user gave beyond the folders, for `module.read`."""
    from medley.core.errors import MedleyError

    options: dict[str, Any] = {}
    if mapping:
        pairs = [item.partition("=") for item in mapping]
        wrong = [item for item, (what, _, column) in zip(mapping, pairs, strict=True) if not what or not column]
        if wrong:
            raise MedleyError(f"--map {wrong[0]}: it must be WHAT=COLUMN, e.g. --map patient_id=PatientID")
        options["columns"] = {what: column for what, _, column in pairs}
    if labels is not None:
        options["labels"] = labels
    return options


def _hashed(reading: Reading, with_hashes: Callable[..., Reading]) -> Reading:
    from medley.cli.progress import ticker

    total, done = sum(len(case.images) for case in reading.cases), 0
    with ticker() as tick:

        def on_done(bytes_read: int) -> None:
            nonlocal done
            done += 1
            tick("sha256 of images", done, total)

        return with_hashes(reading, on_done)


def _summary(table: CaseTable, reading: Reading, out: Path) -> dict[str, Any]:
    from collections import Counter

    from medley.core.labels import UNCERTAIN

    counts = {}
    for label in table.labels:
        values = [case.labels.get(label, math.nan) for case in table.cases]
        known = Counter(value for value in values if value == value)
        counts[label] = {
            "present": known[1.0],
            "absent": known[0.0],
            "uncertain": known[UNCERTAIN],
            "not_known": len(values) - sum(known.values()),
        }
    return {
        "out": str(out),
        "digest": table.digest,
        "studies": len(table),
        "patients": len({case.patient_id for case in table.cases}),
        "images": sum(len(case.images) for case in table.cases),
        "views": dict(Counter(image.view for case in table.cases for image in case.images).most_common()),
        "text": dict(Counter(section for case in table.cases for section in case.text).most_common()),
        "labels": counts,
        "boxes": sum(len(case.truth.get("boxes", ())) for case in table.cases),
        "official_splits": _official_splits(table),
        "left_out": reading.left_out,
        "remarks": list(reading.remarks),
    }


def _official_splits(table: CaseTable) -> dict[str, dict[str, int]]:
    """name -> part -> studies that it has here."""
    from collections import Counter

    found: dict[str, Counter[str]] = {}
    for case in table.cases:
        for name, part in case.truth.get("official_split", {}).items():
            found.setdefault(name, Counter())[part] += 1
    return {name: dict(found[name]) for name in sorted(found)}


def _print(summary: dict[str, Any], as_json: bool) -> None:
    import json

    from rich.console import Console
    from rich.table import Table

    from medley.core.counts import counted

    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
        return
    console = Console(highlight=False, markup=False)
    studies, patients = counted(summary["studies"], "study"), counted(summary["patients"], "patient")
    line = f"{studies} of {patients}, {counted(summary['images'], 'image')}"
    console.print(f"{summary['out']}: {line}", soft_wrap=True)
    for what in ("views", "text"):
        if summary[what]:
            console.print(f"{what}: " + ", ".join(f"{name} {number}" for name, number in summary[what].items()))
    if summary["labels"]:
        table = Table("label", *(("present", "absent", "uncertain", "not known")), box=None, pad_edge=False)
        for label, counts in summary["labels"].items():
            table.add_row(label, *(str(number) for number in counts.values()))
        console.print(table)
    if summary["boxes"]:
        console.print(f"boxes: {summary['boxes']}")
    for name, parts in summary["official_splits"].items():
        whole = "test" in parts or {"train", "dev"} <= set(parts)
        how = f"medley split --official {name}" if whole else "without its test part: cannot be split by it"
        console.print(f"official split {name}: {', '.join(f'{p} {n}' for p, n in parts.items())} ({how})")
    for remark in summary["remarks"]:
        console.print(f"- {remark}", soft_wrap=True)

"""Indiana University chest films and reports (Demner-Fushman et al. 2016), in three layouts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from medley.core.errors import MedleyError, choose
from medley.core.labels import CHEXPERT_14, NIH_14, canonical
from medley.data.official import published_parts
from medley.data.readers.openi_mesh import mesh_labels
from medley.data.readers.reading import Reading, Remarks, find_table, optional_root, read_rows, root_of
from medley.data.readers.studies import Studies, age_of, label_of, sex_of, view_of

HELP = """Read the Indiana University / Open-i chest collection (IU X-Ray): reports, with the films that are there.

How to obtain it:
  openi.nlm.nih.gov/faq (NLMCXR_reports.tgz, NLMCXR_png.tgz); or Kaggle raddar/chest-xrays-indiana-university.
  Licence, in each XML: CC BY-NC-ND 4.0: research use, no derivatives passed on.

Trees (--root DIR, or --root reports=DIR --root images=DIR):
  [NLMCXR_reports/]ecgen-radiology/*.xml   [NLMCXR_png/ | images/]CXR1_1_IM-0001-4001.png
  indiana_reports.csv indiana_projections.csv   images/[images_normalized/]1_IM-0001-4001.dcm.png
  openi_reports.parquet (uid, indication, findings, impression, mesh_major, images, views, age, sex)   images/

What becomes of it:
  indication: input text. findings, impression: targets. XXXX (de-identified) is left as it stands.
  --labels mesh (default): the 14 CheXpert labels by a table from the human MeSH coding of each report; a report
  that was never coded ("No Indexing") is not known. Coders mostly leave out what is only possible: absent is weaker.
  --labels gold: the NIH labels in the parquet's gold_* columns; its Hernia is 0 throughout by a mistake: left out.
  Views: Kaggle's Frontal/Lateral (AP or PA from the caption, where it says only one). The release itself
  has no reliable view: UNKNOWN, unless indiana_projections.csv lies beside it.
  A report whose films are not on disk stays, without images. Each report is a patient of its own, as released.
  Official split `r2gen_iu` (Chen et al. 2020): train 2069, dev 296, test 590, by ids that Medley brings along."""
ROOTS = {"reports": "the folder of the reports", "images": "the folder of the films, where it is another"}
OPTIONS = {"labels": "mesh (default: CheXpert-14 from MeSH) or gold (NIH labels; parquet only)"}

_LABELS = {"mesh": CHEXPERT_14, "gold": tuple(label for label in NIH_14 if label != "Hernia")}
_IMAGE_FOLDERS = (".", "images", "images/images_normalized", "images_normalized", "NLMCXR_png", "png")
_SECTIONS = ("indication", "findings", "impression")
_SPLIT = "r2gen_iu"


@dataclass(frozen=True)
class _Report:
    uid: str
    text: Mapping[str, str]
    mesh: Sequence[str]
    images: Sequence[tuple[str, str]]  # (file name or stem, view)
    gold: Mapping[str, float] | None = None
    sex: str | None = None
    age_years: float = math.nan


def read(roots: Mapping[str, Path], csv: Path | None = None, labels: str = "mesh") -> Reading:
    """Read whichever of the three layouts the root holds. `csv` names an indiana_reports.csv or a parquet."""
    names = choose(labels, _LABELS, "label source")
    root = root_of(roots, "reports", ROOTS)
    images = optional_root(roots, "images", ROOTS)
    remarks = Remarks()
    folders = [base / name for base in (images or root, root) for name in _IMAGE_FOLDERS if (base / name).is_dir()]
    parts = published_parts(_SPLIT)
    studies = Studies("openi", remarks)
    for report in _reports(root, csv, labels, remarks):
        films = [(path, view) for name, view in report.images if (path := _find(folders, name, remarks, report.uid))]
        if not report.text and not films:
            remarks.leave_out("neither text nor film", report.uid)
            continue
        part = parts.get(report.uid)
        said = report.gold if labels == "gold" else mesh_labels(report.mesh)
        rows: list[tuple[Path | None, str]] = [*films] or [(None, "UNKNOWN")]
        for path, view in rows:
            studies.add(
                report.uid,
                report.uid,
                report.uid,
                path,
                view,
                text=report.text,
                labels=said,
                truth={"official_split": {_SPLIT: part}} if part else None,
                sex=report.sex,
                age_years=report.age_years,
            )
    return studies.reading(names)


def _find(folders: Sequence[Path], name: str, remarks: Remarks, uid: str) -> Path | None:
    for folder in folders:
        for suffix in ("", ".png", ".dcm"):
            path = folder / (name + suffix)
            if path.is_file() and path.stat().st_size:
                return path
    remarks.count("film not on disk, the report stays without it", f"{name} of {uid}", "film")
    return None


def _reports(root: Path, csv: Path | None, labels: str, remarks: Remarks) -> Iterator[_Report]:
    parquet = csv if csv and csv.suffix == ".parquet" else find_table(root, ["openi_reports.parquet"])
    table = csv or find_table(root, ["indiana_reports.csv"])
    xml = sorted(
        path for pattern in ("ecgen-radiology/*.xml", "*/ecgen-radiology/*.xml", "*.xml") for path in root.glob(pattern)
    )
    if parquet and (csv is None or csv == parquet):
        yield from _from_parquet(parquet, labels, remarks)
    elif labels == "gold":
        raise MedleyError(f"--labels gold needs openi_reports.parquet, and {root} holds none; use --labels mesh")
    elif table:
        yield from _from_kaggle(table, remarks)
    elif xml:
        yield from _from_xml(xml, _projections(root, remarks), remarks)
    else:
        wanted = "ecgen-radiology/*.xml, indiana_reports.csv or openi_reports.parquet"
        raise MedleyError(f"{root} holds no {wanted}; name the table with --csv or mend --root")


def _from_xml(paths: Sequence[Path], views: Mapping[tuple[str, str], str], remarks: Remarks) -> Iterator[_Report]:
    for path in paths:
        try:
            tree = ElementTree.parse(path)
        except ElementTree.ParseError as error:
            remarks.leave_out("report is not XML", f"{path.name}: {error}")
            continue
        said = {node.get("Label", "").lower(): (node.text or "").strip() for node in tree.iter("AbstractText")}
        ids = [node.get("id", "") for node in tree.iter("parentImage")]
        captions = {(node.findtext("caption") or "").strip() for node in tree.iter("parentImage")}
        uid = next((node.get("id", "") for node in tree.iter("uId")), "") or f"CXR{path.stem}"
        alone = _caption_view(captions.pop(), ("PA", "AP", "LATERAL")) if len(ids) == 1 and captions else "UNKNOWN"
        yield _Report(
            uid=uid,
            text={section: said[section] for section in _SECTIONS if said.get(section)},
            mesh=[node.text or "" for node in tree.iter("major")],
            images=[(name, views.get(_film_key(uid, name), alone)) for name in ids],
        )


def _caption_view(caption: str, views: Sequence[str]) -> str:
    """The one view of `views` that the caption names; UNKNOWN where it names none or several (`PA and Lateral`)."""
    named = [view for view in views if re.search(rf"\b{view}\b", caption.upper())]
    return named[0] if len(named) == 1 else "UNKNOWN"


def _film_key(uid: str, name: str) -> tuple[str, str]:
    """The release says CXR1_1_IM-0001-4001, Kaggle 1_IM-0001-4001.dcm.png: the same film of report 1."""
    stem = name.removesuffix(".png").removesuffix(".dcm")
    return uid.removeprefix("CXR"), stem[stem.find("IM-") :]


def _projections(root: Path, remarks: Remarks) -> dict[tuple[str, str], str]:
    path = find_table(root, ["indiana_projections.csv", "*/indiana_projections.csv"])
    if path is None:
        remarks.say(f"{root} holds no indiana_projections.csv: the views of most films are UNKNOWN")
        return {}
    rows = read_rows(path, ("uid", "filename", "projection"), remarks)
    return {_film_key(row["uid"], row["filename"]): view_of(row["projection"]) for _, row in rows}


def _from_kaggle(table: Path, remarks: Remarks) -> Iterator[_Report]:
    films: dict[str, list[tuple[str, str]]] = {}
    projections = table.with_name("indiana_projections.csv")
    for _, row in read_rows(projections, ("uid", "filename", "projection"), remarks):
        films.setdefault(row["uid"], []).append((row["filename"], row["projection"]))
    for _, row in read_rows(table, ("uid", "MeSH", "image", *_SECTIONS), remarks):
        frontal = _caption_view(row["image"], ("PA", "AP"))
        yield _Report(
            uid=f"CXR{row['uid']}",
            text={section: row[section] for section in _SECTIONS if row[section]},
            mesh=row["MeSH"].split(";"),
            images=[
                (name, "LATERAL" if side.lower() == "lateral" else frontal) for name, side in films.get(row["uid"], [])
            ],
        )


def _from_parquet(path: Path, labels: str, remarks: Remarks) -> Iterator[_Report]:
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise MedleyError(f"{path} is not a parquet table: {error}") from error
    for name in ("uid", "mesh_major", "images", *_SECTIONS):
        if name not in frame.columns:
            raise MedleyError(f"{path} lacks the column '{name}'")
    gold = {name: canonical(name.removeprefix("gold_")) for name in frame.columns if name.startswith("gold_")}
    for row in frame.iter_rows(named=True):
        where = f"{path.name} {row['uid']}"
        names = row["images"] or []
        age = row.get("age")
        coded = labels == "gold" and row.get("mesh_indexed", True)  # the gold labels are a reading of the coding
        yield _Report(
            uid=row["uid"],
            text={section: row[section] for section in _SECTIONS if row[section]},
            mesh=row["mesh_major"] or [],
            images=list(zip(names, _tagged_views(row.get("views"), len(names), row["uid"], remarks), strict=True)),
            gold={label: label_of(_text(row[name]), name, where) for name, label in gold.items()} if coded else None,
            sex=sex_of(row.get("sex") or ""),
            age_years=age_of(_text(age), where, remarks),
        )


def _text(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else str(value)


def _tagged_views(tags: Sequence[str | None] | None, number: int, uid: str, remarks: Remarks) -> list[str]:
    """Views from the DICOM tags. Several films that all carry one tag show the protocol's tag, not their own view."""
    views = [view_of(tag or "") for tag in tags or [None] * number]
    if len(views) != number:
        return ["UNKNOWN"] * number
    if number > 1 and len(set(views)) == 1 and views[0] != "UNKNOWN":
        remarks.count("all films of a study carry one view tag, taken as UNKNOWN", f"{views[0]} of {uid}", "study")
        return ["UNKNOWN"] * number
    return views

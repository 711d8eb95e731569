"""Small pieces of an HTML page that stands alone: no scripts, nothing loaded from elsewhere, pictures inside.

Every function takes plain text and escapes it; what it returns is HTML and is only ever joined, never escaped again.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from string import Template


def document(title: str, body: str, *, stamps: Iterable[str] = ()) -> str:
    """The whole page. `body` is HTML made of the pieces below; `stamps` are lines that nobody should overlook."""
    template = Template(
        resources.files("medley.evaluation.scorecard").joinpath("page.html").read_text(encoding="utf-8")
    )
    stamped = "".join(f'<p class="stamp" role="note">{escape(stamp)}</p>' for stamp in stamps)
    return template.substitute(title=escape(title), stamp=stamped, body=body)


def heading(text: str, anchor: str | None = None) -> str:
    """A heading inside the page; `anchor` is the name that a `link` goes to."""
    named = f' id="{escape(anchor)}"' if anchor else ""
    return f"<h2{named}>{escape(text)}</h2>"


def subheading(text: str) -> str:
    """A heading below a heading."""
    return f"<h3>{escape(text)}</h3>"


def link(text: str, anchor: str) -> str:
    """A line that leads to a heading of this page."""
    return f'<p><a href="#{escape(anchor)}">{escape(text)}</a></p>'


def paragraph(text: str, *, lead: bool = False) -> str:
    """A paragraph; `lead` for the one line that says it all."""
    return f'<p class="lead">{escape(text)}</p>' if lead else f"<p>{escape(text)}</p>"


def bullets(lines: Iterable[str]) -> str:
    """A list of short lines; nothing where there is none."""
    lines = list(lines)
    return "" if not lines else "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def figure(png_bytes: bytes, caption: str, *, alt: str | None = None, whole_width: bool = False) -> str:
    """A picture with plain words under it; `alt` stands for it where pictures are not seen, else the caption does.

    `whole_width` is for a picture with small print of its own.
    """
    data = base64.b64encode(png_bytes).decode("ascii")
    image = f'<img src="data:image/png;base64,{data}" alt="{escape(alt or caption)}">'
    kind = ' class="whole"' if whole_width else ""
    return f"<figure{kind}>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def figures(pictures: Mapping[str, bytes], captions: Mapping[str, str], alts: Mapping[str, str], *names: str) -> str:
    """Those of these pictures that there are, side by side, each with its caption."""
    given = [name for name in names if name in pictures]
    return gallery(figure(pictures[name], captions[name], alt=alts[name]) for name in given)


def gallery(figures: Iterable[str]) -> str:
    """Figures beside each other where the screen has room, below each other where it has not."""
    shown = "".join(figures)
    return f'<div class="gallery">{shown}</div>' if shown else ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, label: str = "") -> str:
    """A table whose first column names the row; a line break in a cell stays one. `label` is read out, not shown.

    On a narrow screen the table scrolls by itself, not the page, by finger or by keyboard.
    """
    head = "".join(f'<th scope="col">{escape(cell)}</th>' if cell else "<td></td>" for cell in header)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    heads = f"<thead><tr>{head}</tr></thead>" if any(header) else ""
    named = f' role="region" aria-label="{escape(label or header[0])}"' if label or header[0] else ""
    return f'<div class="wide" tabindex="0"{named}><table>{heads}<tbody>{body}</tbody></table></div>'


def prose_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, label: str) -> str:
    """A table of running text: the columns share the width of the screen, and lie below each other on a narrow one."""
    return table(header, rows, label=label).replace('class="wide"', 'class="wide prose"', 1)


def folded(summary: str, body: str) -> str:
    """A part of the page that opens on a click. `body` is HTML."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"

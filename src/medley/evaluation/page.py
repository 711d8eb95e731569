"""Small pieces of an HTML page that stands alone: no scripts, nothing loaded from elsewhere, pictures inside.

Every function takes plain text and escapes it; what it returns is HTML and is only ever joined, never escaped again.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from string import Template


def document(title: str, body: str, *, stamp: str | None = None) -> str:
    """The whole page. `body` is HTML made of the pieces below; `stamp` is a line that nobody should overlook."""
    template = Template(resources.files("medley.evaluation").joinpath("page.html").read_text(encoding="utf-8"))
    stamped = f'<p class="stamp">{escape(stamp)}</p>' if stamp else ""
    return template.substitute(title=escape(title), stamp=stamped, body=body)


def heading(text: str) -> str:
    """A heading inside the page."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str, *, lead: bool = False) -> str:
    """A paragraph; `lead` for the one line that says it all."""
    return f'<p class="lead">{escape(text)}</p>' if lead else f"<p>{escape(text)}</p>"


def bullets(lines: Iterable[str]) -> str:
    """A list of short lines."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def figure(png_bytes: bytes, caption: str) -> str:
    """A picture with one plain sentence under it, which also stands for it where pictures are not seen."""
    data = base64.b64encode(png_bytes).decode("ascii")
    image = f'<img src="data:image/png;base64,{data}" alt="{escape(caption)}">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def gallery(figures: Iterable[str]) -> str:
    """Figures beside each other where the screen has room, below each other where it has not."""
    return f'<div class="gallery">{"".join(figures)}</div>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "") -> str:
    """A table whose first column names the row; a line break in a cell stays one.

    On a narrow screen the table scrolls by itself, not the page.
    """
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    said = f'<p class="caption">{escape(caption)}</p>' if caption else ""  # outside: it must not scroll with the table
    return f'{said}<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def folded(summary: str, body: str) -> str:
    """A part of the page that opens on a click. `body` is HTML."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"

"""What the HTML files to hand on have in common: one look, escaped text, tables, the notice."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

from pipeline.notice import NOTICE
from pipeline.notice import SYNTHETIC as SYNTHETIC_TASK

SYNTHETIC = f'<span class="synthetic">{SYNTHETIC_TASK}</span>'
_STYLE = """
body { font: 14px/1.5 system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif; color: #161b23;
  max-width: 960px; margin: 0 auto; padding: 24px 24px 60px; }
h1 { font-size: 22px; margin: 0; } h2 { font-size: 16px; margin: 32px 0 8px; }
p, td, th { max-width: 80ch; } .muted { color: #566072; }
table { border-collapse: collapse; margin: 6px 0; } caption { text-align: left; color: #566072; }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid #e3e7ec; vertical-align: top; }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap; }
.notice { position: fixed; bottom: 0; left: 0; right: 0; background: #fff4d6; border-top: 1px solid #e0b94f;
  padding: 6px 24px; font-weight: 600; text-align: center; }
.synthetic { display: inline-block; background: #5b4bd6; color: #fff; border-radius: 4px; padding: 2px 8px;
  font-weight: 600; }
@media print { body { padding-bottom: 40px; } h2 { break-after: avoid; } }
"""


def html_document(title: str, sections: Iterable[str], *, style: str = "") -> str:
    """Return one self-contained document that loads nothing and carries the notice.

    Args:
        title: plain text.
        sections: HTML, written one after the other.
        style: CSS beside the common one.
    """
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html_text(title)}</title>'
        f"<style>{_STYLE}{style}</style></head><body>{''.join(sections)}"
        f'<div class="notice">{NOTICE}</div></body></html>\n'
    )


def html_table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table of plain texts."""
    head = "".join(f"<th>{html_text(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f'<td class="n">{html_text(cell)}</td>' for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def html_text(value: Any) -> str:
    """Return a value as text that HTML shows as it is."""
    return html.escape(str(value))

"""QR pictures, drawn here: nothing is fetched, and what the picture tells goes nowhere."""

from html import escape
from io import BytesIO
from typing import Final

_QUIET: Final = 4
"""White modules around it, as the standard asks."""


def draw_qr(text: str, title: str) -> str:
    """`text` as inline SVG that is called `title`. Dark on white whatever the page's colours: cameras need it."""
    import segno

    made = BytesIO()
    segno.make_qr(text, error="m").save(
        made,
        kind="svg",
        border=_QUIET,
        dark="#000",
        light="#fff",
        xmldecl=False,
        svgns=False,
        omitsize=True,
        svgclass=None,
        lineclass=None,
        nl=False,
        encoding="utf-8",
    )
    label = escape(title)
    head, mark, rest = made.getvalue().decode("utf-8").partition(">")
    return f'{head} role="img" aria-label="{label}"{mark}<title>{label}</title>{rest}'

"""Drawings that flows hand over as text, as markup for a page."""

from markupsafe import Markup


def qr_drawing(text: str) -> Markup:
    """A QR code of ours. ValueError for anything but a plain drawing: it goes into the page as it is."""
    if not text.startswith("<svg") or not text.rstrip().endswith("</svg>") or "script" in text or "style" in text:
        raise ValueError("that is no plain drawing")
    return Markup(text)  # noqa: S704 -- drawn by us from a secret and a name, and checked above

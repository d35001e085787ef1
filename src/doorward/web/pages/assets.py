"""Our style sheets, scripts and pictures: read once, served from memory (attacks P08, P09).

An address is `/static/<hash>/<name>`, where the hash is over all files: it changes with them, so browsers may keep them
for good, and scripts may import their neighbours by relative name. What is not in the table does not exist: no path is
ever put together from what a visitor sent.

One script is for pages of apps, which name it themselves: `/static/renew.js`, the same wherever it is
read (docs/guides/expiry.md).
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from doorward.web.headers import RawHeaders

_FOLDER = Path(__file__).parent / "static"
_DOORWAY_SHEETS = ("tokens.css", "base.css", "doorway.css", "controls.css")
RENEW_PATH = "/static/renew.js"
_TYPES = {".css": b"text/css; charset=utf-8", ".js": b"text/javascript; charset=utf-8", ".svg": b"image/svg+xml"}
_KEPT: RawHeaders = [(b"cache-control", b"public, max-age=31536000, immutable")]
_FOR_APPS: RawHeaders = [
    (b"cache-control", b"public, max-age=3600"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"access-control-allow-origin", b"*"),
]
"""Its address is fixed and pages of other origins load it; with the last one they can check it by its hash (SRI)."""
_AROUND = re.compile(r" ?([=,:?&|<>!+(){}\[\]]+) ?")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    content: bytes
    headers: RawHeaders


class Assets:
    """All files of one version. `prefix` is their address without the name."""

    def __init__(self) -> None:
        files = {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}
        version = hashlib.sha256(b"".join(name.encode() + content for name, content in files.items())).hexdigest()[:16]
        self.prefix = f"/static/{version}"
        self.style = "".join(files[name].decode("utf-8") for name in _DOORWAY_SHEETS)
        """The style sheets as one text, for pages shown where our files cannot be had."""
        self.inline_style = _trusted(self.style)
        self._by_path = {
            f"{self.prefix}/{name}": Asset(content, _headers(name, content)) for name, content in files.items()
        }
        renew = squeeze(files["renew.js"])
        self._by_path[RENEW_PATH] = Asset(renew, _headers("renew.js", renew, _FOR_APPS))

    def find(self, path: str) -> Asset | None:
        """The file at this exact path."""
        return self._by_path.get(path)

    def paths(self) -> list[str]:
        """The path of every file."""
        return list(self._by_path)


def _trusted(style: str) -> Markup:
    """Mark our own style sheet as markup: it is a file of ours, and holds no `<`."""
    if "<" in style:
        raise ValueError("a style sheet with markup in it")
    return Markup(style)  # noqa: S704 -- our own file, checked above


def squeeze(script: bytes) -> bytes:
    """The script without comments on lines of their own, indentation and spaces around signs.

    No understanding of the language: for a script of ours whose texts have nothing that this would change.
    """
    lines = (line.strip() for line in script.decode("utf-8").splitlines())
    kept = (_AROUND.sub(r"\1", line) for line in lines if line and not line.startswith("//"))
    return "\n".join(kept).encode("utf-8")


def _headers(name: str, content: bytes, kept: RawHeaders = _KEPT) -> RawHeaders:
    etag = hashlib.sha256(content).hexdigest()[:32]
    return [
        (b"content-type", _TYPES[Path(name).suffix]),
        (b"content-length", str(len(content)).encode("ascii")),
        *kept,
        (b"etag", f'"{etag}"'.encode("ascii")),
        # Range requests are not spoken: the largest file has a few kilobytes.
        (b"accept-ranges", b"none"),
    ]

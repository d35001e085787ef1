"""Write the generated parts of docs/ anew, or with --check say which of them are stale.

Pages of docs/reference are generated as a whole. Other pages have parts between `<!-- generated:NAME -->` and
`<!-- /generated:NAME -->`. In docs/guides NAME is a file, which is put there as it stands, or `scopes`.
"""

import re
import sys
from pathlib import Path

from doorward.config.reference import make_reference
from doorward.rules.login import draw
from doorward.web.api.scopes import SCOPES

DOCS = Path(__file__).parents[1] / "docs"
LANGUAGES = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".conf": "nginx",
    ".cfg": "haproxy",
    ".lua": "lua",
    ".mjs": "js",
    ".php": "php",
    ".py": "python",
}


def make_pages() -> dict[Path, str]:
    """Every page that is generated in whole or in part, as it should be."""
    pages = {DOCS / "reference" / name: text for name, text in make_reference().items()}
    flow = DOCS / "security-flow.md"
    pages[flow] = fill(flow.read_text("utf-8"), "login-table", f"```mermaid\n{draw()}\n```")
    for guide in sorted((DOCS / "guides").glob("*.md")):
        pages[guide] = fill_files(guide.read_text("utf-8"))
    return pages


def fill_files(page: str) -> str:
    """Put every file that the page names into its part."""
    for name in re.findall(r"<!-- generated:(\S+) -->", page):
        if name == "scopes":
            page = fill(page, name, tell_scopes())
            continue
        content = (DOCS.parent / name).read_text("utf-8").rstrip("\n")
        page = fill(page, name, f"```{LANGUAGES.get(Path(name).suffix, '')}\n{content}\n```")
    return page


def tell_scopes() -> str:
    """What keys open of our own API, as rows of a table."""
    opened: dict[str, list[str]] = {}
    for route, scope in SCOPES.items():
        opened.setdefault("no key" if scope is None else f"`{scope.value}`", []).append(f"`{route}`")
    rows = [f"| {scope} | {', '.join(routes)} |" for scope, routes in opened.items()]
    return "\n".join(["| scope | opens |", "|---|---|", *rows])


def fill(page: str, name: str, content: str) -> str:
    """Put `content` into the part of `page` called `name`."""
    part = re.compile(rf"(<!-- generated:{re.escape(name)} -->\n).*?(<!-- /generated:{re.escape(name)} -->)", re.DOTALL)
    if not part.search(page):
        raise SystemExit(f"a page has lost its part {name}")
    return part.sub(lambda found: f"{found[1]}{content}\n{found[2]}", page)


def main() -> int:
    """Write, or check."""
    stale = []
    for path, wanted in make_pages().items():
        if path.exists() and path.read_text("utf-8") == wanted:
            continue
        stale.append(path.relative_to(DOCS.parent).as_posix())
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted, "utf-8")
    if "--check" in sys.argv and stale:
        print("Stale, please run `make docs`:", *stale, sep="\n  ")
        return 1
    print("Written:" if stale else "All generated pages are up to date.", *stale, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())

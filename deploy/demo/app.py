"""The demo's protected apps: each shows who Doorward says is there, and which headers arrived."""

import html
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

IDENTITY = ("X-Forwarded-User-Name", "X-Forwarded-User-Email", "X-Forwarded-User-Groups")


class DemoApp(ThreadingHTTPServer):
    """One app on a free loopback port. `start` serves in the background until `stop`."""

    daemon_threads = True

    def __init__(self, name: str, sentence: str, gate: str) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.name = name
        self.sentence = sentence
        self.gate = gate
        """The address of Doorward's own pages."""
        self._thread = threading.Thread(target=self.serve_forever, name=name, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self.shutdown()
        self._thread.join()
        self.server_close()


class Answer(BaseHTTPRequestHandler):
    """One request to a demo app."""

    server: DemoApp
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Show who it is."""
        page = draw_page(self.server, self.path, list(self.headers.items())).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Say nothing: the terminal belongs to the demo's own few lines."""


def draw_page(app: DemoApp, path: str, headers: Sequence[tuple[str, str]]) -> str:
    """The page. Everything that came with the request is a stranger's text and is escaped."""
    told = {name: unquote(value) for name, value in headers}
    name, mail, groups = (told.get(header, "") for header in IDENTITY)
    rows = "".join(
        f"<tr{' class=ours' if header in IDENTITY else ''}><th scope=row>{html.escape(header)}</th>"
        f"<td>{html.escape(value) or 'empty'}</td></tr>"
        for header, value in sorted(headers, key=lambda pair: (pair[0] not in IDENTITY, pair[0].lower()))
    )
    return PAGE.format(
        app=html.escape(app.name),
        sentence=html.escape(app.sentence),
        gate=html.escape(app.gate),
        path=html.escape(path),
        name=html.escape(name) or "somebody",
        mail=html.escape(mail) or "no address",
        groups=html.escape(groups.replace(",", ", ")) or "no groups",
        rows=rows,
    )


PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{app}: a demo app behind Doorward</title>
<style>
  :root {{ color-scheme: light dark; --wall: #e8eeeb; --leaf: #fcfdfc; --ink: #10201a; --soft: #4a5d55; --line: #c6d3cc;
    --door: #14533f; --tint: #dcebe4; --warn: #5c4204; --warn-tint: #fbefcf; }}
  @media (prefers-color-scheme: dark) {{ :root {{ --wall: #0b1411; --leaf: #14201b; --ink: #e9f1ed; --soft: #a4b8af;
    --line: #2b3d35; --door: #6fcaa4; --tint: #1b3a2e; --warn: #f0d9a0; --warn-tint: #3a2f10; }} }}
  * {{ box-sizing: border-box; }}
  body {{ margin: 0; background: var(--wall); color: var(--ink); overflow-wrap: anywhere;
    font: 1rem/1.55 -apple-system, "Segoe UI", Roboto, Ubuntu, Cantarell, "Noto Sans", "Liberation Sans", sans-serif; }}
  .demo {{ background: var(--warn-tint); color: var(--warn); text-align: center; margin: 0; padding: .5rem 1rem;
    font-size: .875rem; }}
  main {{ max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }}
  section {{ background: var(--leaf); border: 1px solid var(--line); border-radius: .625rem; padding: 1.5rem;
    margin-bottom: 1rem; }}
  h1 {{ font-size: clamp(1.5rem, 1.25rem + 1.2vw, 2rem); line-height: 1.2; margin: 0 0 .5rem; }}
  h2 {{ font-size: 1.125rem; margin: 0 0 .75rem; }}
  p {{ margin: .25rem 0; }}
  .soft {{ color: var(--soft); }}
  table + p {{ margin-top: 1rem; }}
  a {{ color: var(--door); text-underline-offset: .2em; }}
  a:focus-visible {{ outline: 3px solid currentcolor; outline-offset: 2px; }}
  table {{ width: 100%; border-collapse: collapse; font-size: .875rem; }}
  th, td {{ text-align: left; vertical-align: top; padding: .375rem .5rem; border-top: 1px solid var(--line); }}
  th {{ font-weight: 500; width: 38%; }}
  td {{ font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace; }}
  .ours {{ background: var(--tint); }}
  @media (max-width: 30rem) {{ th, td {{ display: block; width: auto; }} td {{ border: 0; padding-top: 0; }} }}
</style>
<p class="demo">A demo on this machine alone, without https. Never run an installation like this.</p>
<main>
  <section>
    <h1>Hello, {name}.</h1>
    <p>This is {app}. {sentence}</p>
    <p class="soft">Doorward let you in as {mail}, with {groups}.</p>
    <p><a href="{gate}/">All apps</a> · <a href="{gate}/sessions">My sessions</a> ·
      <a href="{gate}/logout">Sign out</a></p>
  </section>
  <section>
    <h2>What reached this app at {path}</h2>
    <table>{rows}</table>
    <p class="soft">The marked lines are Doorward's word; whatever the browser claims there is removed.
      Doorward's own cookie is not among the headers: an app that never sees it cannot misuse it.</p>
  </section>
</main>
"""

"""Import and export of the configuration file: what `doorward config` and `doorward rules` share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import typer

from doorward.app.exchange import replace_config
from doorward.app.house import has_data, read_environment
from doorward.app.importing import write_out
from doorward.cli.configured import load
from doorward.cli.house import tell
from doorward.cli.reading import read_file
from doorward.config.load import find_file, parse_config
from doorward.config.merge import Fate, Merge, merge_config
from doorward.config.portable import export_config
from doorward.config.source import MAX_BYTES
from doorward.errors import ConflictError, InputError

_MARKS: Final = {Fate.ADD: "+", Fate.CHANGE: "~", Fate.SAME: "=", Fate.KEPT: "!"}
_WORDS: Final = {
    Fate.ADD: "added",
    Fate.CHANGE: "changed",
    Fate.SAME: "the same",
    Fate.KEPT: "left as here",
}


def export_settings(config: Path | None, out: Path | None, *, sections: Sequence[str] | None = None) -> None:
    """Print what somebody set, or write it to a new file."""
    text = export_config(load(config, allow_insecure_http=True), sections=sections)
    if out is None:
        typer.echo(text, nl=False)
        return
    write_out(out, text.encode("utf-8"))
    typer.echo(f"Wrote {out}.")


def import_settings(
    config: Path | None,
    file: Path,
    *,
    apply: str,
    overwrite: bool,
    as_json: bool,
    sections: tuple[str, ...] | None = None,
) -> None:
    """Merge a file into the configuration, or show what that would come to."""
    path = config or find_file()
    if path is None:
        raise InputError("there is no configuration file to merge it into; name one with --config, it may be empty")
    present = read_file(path, limit=MAX_BYTES)
    merge = merge_config(present, read_file(file, limit=MAX_BYTES), overwrite=overwrite, sections=sections)
    # The loader has the last word: what it would not start with is not written.
    loaded = parse_config(merge.text, environ=read_environment(), path=path)
    changes = any(setting.fate in {Fate.ADD, Fate.CHANGE} for setting in merge.settings)
    backup = ""
    if apply:
        if apply != merge.token or not changes:
            raise ConflictError("the file, the choices or the configuration here are not those of the preview")
        public = {fate.value: str(_count(merge, fate)) for fate in Fate}
        backup = replace_config(
            path, merge.text, seen=present, public=public, audit_to=loaded.config if has_data(loaded.config) else None
        )
    lines = [_spell(setting.path, setting.fate, setting.before, setting.after) for setting in merge.settings]
    lines += [f"notice: {notice}" for notice in loaded.notices if changes and not notice.calm]
    lines.append(", ".join(f"{_count(merge, fate)} {words}" for fate, words in _WORDS.items()) + ".")
    if apply:
        lines.append(f"Done. What was there is kept as {backup}. Rules of a running server count with its next reload.")
    elif changes:
        lines.append(f"Nothing was changed yet. To do this, add: --apply {merge.token}")
    else:
        lines.append("There is nothing to import.")
    value = {
        "applied": bool(apply),
        "token": merge.token if changes else "",
        "backup": backup,
        "counts": {fate.value: _count(merge, fate) for fate in Fate},
        "settings": [
            {"path": one.path, "fate": one.fate.value, "before": one.before, "after": one.after}
            for one in merge.settings
        ],
    }
    tell("\n".join(lines), value, as_json=as_json)


def _count(merge: Merge, fate: Fate) -> int:
    return sum(setting.fate is fate for setting in merge.settings)


def _spell(path: str, fate: Fate, before: str, after: str) -> str:
    if fate is Fate.SAME:
        return f"{_MARKS[fate]} {path}"
    change = f"{before} -> {after}" if before else after
    return f"{_MARKS[fate]} {path}: {change}" + (" (left as here; --overwrite takes it)" if fate is Fate.KEPT else "")

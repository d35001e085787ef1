"""From file, environment and command line to one frozen Config, or all that is wrong with them at once.

Precedence: command line, then `DOORWARD__…`, then well-known variables, then the file, then the profile, then defaults.
"""

import contextlib
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from doorward.config import aliases, check
from doorward.config.environment import (
    PREFIX,
    find_field,
    get,
    holds_secret,
    is_secret,
    item_of,
    put,
    read_variable,
    section_of,
    walk_settings,
)
from doorward.config.files import check_certificates, read_secret_file
from doorward.config.finding import Finding, Key, format_key
from doorward.config.mode_check import check_closed_by_variable
from doorward.config.profiles import blame_profile, fill_profile, is_from_profile
from doorward.config.schema import Config
from doorward.config.source import MAX_BYTES, Document, read_document
from doorward.config.values import Listen, PrivateKey, parse_listen, parse_origin
from doorward.config.wording import explain_error, find_nearest
from doorward.errors import ConfigError

SEARCHED: Final = (
    Path("doorward.yaml"),
    Path("/etc/doorward/config.yaml"),
    Path("/etc/forward-auth/config.yaml"),
)
"""Where a configuration is looked for when none is named; the first that exists is read (C-12)."""

_FILE_SUFFIX = "_file"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration without problems. `origins`: where each setting that is not a default came from."""

    config: Config
    notices: tuple[Finding, ...]
    origins: Mapping[str, str]
    path: Path | None


@dataclass(slots=True)
class _Draft:
    document: Document
    name: str
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[Finding] = field(default_factory=list)
    notices: list[Finding] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    """Secrets whose file could not be read: that they are missing is no news."""

    written: dict[str, str] = field(default_factory=dict)
    """Canonical place -> the place as the operator spelled it."""

    dropped: dict[Key, list[int]] = field(default_factory=dict)
    """Lists of which broken items were taken out, and their positions."""

    def original(self, key: Key) -> Key:
        """The place as it was before broken items were taken out of lists."""
        parts = list(key)
        for around, gone in self.dropped.items():
            size = len(around)
            if key[:size] == around and len(key) > size and isinstance(position := key[size], int):
                for missing in sorted(gone):
                    position += missing <= position
                parts[size] = position
        return tuple(parts)

    def origin_of(self, key: Key) -> str:
        """Where this place, or the nearest one around it, came from; "" where nobody said."""
        origins = (self.origins.get(format_key(key[:end])) for end in range(len(key), 0, -1))
        return next((known for known in origins if known), "")

    def set(self, path: tuple[str, ...], value: object, origin: str) -> None:
        put(self.document.tree, path, value)
        self.origins[format_key(path)] = origin


def find_file() -> Path | None:
    """The first configuration file that exists in the places searched, or None."""
    return next((path for path in SEARCHED if path.is_file()), None)


def load_config(
    path: Path | None,
    *,
    environ: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
) -> Loaded:
    """Load a configuration; without a path, defaults, the environment and `overrides` (dotted key -> value) only.

    Raises ConfigError with every problem found.
    """
    if path is None:
        return parse_config(b"", environ=environ, overrides=overrides)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError(f"the configuration {path} cannot be read: {reason}") from error
    return parse_config(raw, environ=environ, overrides=overrides, path=path)


def parse_config(
    raw: bytes,
    *,
    environ: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
    path: Path | None = None,
) -> Loaded:
    """Load a configuration from its text. Raises ConfigError with every problem found."""
    name = str(path) if path else "the configuration"
    draft = _Draft(read_document(raw, environ, name=name), name)
    draft.problems.extend(draft.document.findings)
    _drop_unset(draft.document.tree, ())
    _rename_keys(draft)
    _note_origins(draft, draft.document.tree, ())
    _apply_known_variables(draft, environ)
    _apply_variables(draft, environ)
    for dotted, value in (overrides or {}).items():
        draft.set(tuple(dotted.split(".")), value, "command line")
    _rename_keys(draft)  # again, for rules that came in a variable
    fill_profile(draft.document.tree, draft.origins)
    _read_secret_keys(draft)
    _derive_public_url(draft)

    config, broken = _validate(draft)
    if config is not None:
        problems, notices = check.check_config(config)
        problems += check_closed_by_variable(config, draft.origin_of(("authn", "password")))
        for place, file in (("outbound", config.outbound.ca_file), ("mail", config.mail.ca_file)):
            problems += check_certificates(f"{place}.ca_file", file) if file else []
        broken |= draft.unread
        draft.problems.extend(_place(draft, finding) for finding in problems if _stands(draft, finding, broken))
        draft.notices.extend(_place(draft, finding) for finding in notices)
    if draft.problems or config is None:
        sentences = tuple(dict.fromkeys(str(finding) for finding in draft.problems))
        count = "1 problem" if len(sentences) == 1 else f"{len(sentences)} problems"
        raise ConfigError(f"{count} in {name}", sentences)
    if path is None and not raw:
        draft.notices.insert(
            0, Finding("config", "no configuration file was found; defaults apply", "name one with --config FILE")
        )
    return Loaded(config, tuple(dict.fromkeys(draft.notices)), draft.origins, path)


def _drop_unset(section: dict[str, object], at: tuple[str, ...]) -> None:
    """A known key with nothing after it is as good as absent: that is how people comment things out."""
    for word in list(section):
        setting = find_field((*at, word))
        inner = section[word]
        if setting is None:
            continue
        if inner is None:
            del section[word]
        elif isinstance(inner, dict):
            _drop_unset(inner, (*at, word))


def _rename_keys(draft: _Draft) -> None:
    for old, new in aliases.KEYS.items():
        *around, last = old
        if "*" not in around:
            _rename(draft, get(draft.document.tree, tuple(around)), tuple(around), last, new)
            continue
        star = around.index("*")
        items = get(draft.document.tree, tuple(around[:star]))
        for position, item in enumerate(items if isinstance(items, tuple) else ()):
            _rename(draft, item, (*around[:star], position), last, (*around[:star], position, *new[star + 1 :]))


def _rename(draft: _Draft, section: object, at: Key, last: str, new: Key) -> None:
    if not isinstance(section, dict) or last not in section:
        return
    old_name, new_name = format_key((*at, last)), format_key(new)
    target = section if new[:-1] == at else get(draft.document.tree, tuple(str(part) for part in new[:-1]))
    if isinstance(target, dict) and new[-1] in target:
        draft.problems.append(
            Finding(old_name, f"this is another name of {new_name}, which is set too", "keep one of them")
        )
        section.pop(last)
        return
    value = section.pop(last)
    draft.written[new_name] = old_name
    draft.document.lines[new] = draft.document.line_of((*at, last)) or 1
    if target is section:
        section[new[-1]] = value
    else:
        put(draft.document.tree, cast("tuple[str, ...]", new), value)


def _note_origins(draft: _Draft, section: Mapping[str, object], at: tuple[str, ...]) -> None:
    for word, value in section.items():
        key = (*at, word)
        setting = find_field(key)
        if isinstance(value, dict) and setting is not None and section_of(setting) is not None:
            _note_origins(draft, value, key)
        else:
            draft.origins[format_key(key)] = f"{draft.name} line {draft.document.line_of(key)}"


def _apply_known_variables(draft: _Draft, environ: Mapping[str, str]) -> None:
    draft.notices.extend(aliases.note_unused(environ))
    for variable, (read, form) in aliases.VARIABLES.items():
        text = environ.get(variable, "").strip()
        if not text:
            continue
        try:
            settings = read(text)
        except (KeyError, ValueError):
            draft.problems.append(Finding(variable, f"{text!r} is not what this variable holds", f"write {form}"))
            continue
        for path, value in settings.items():
            draft.set(path, value, f"variable {variable}")
            _forget_other_form(draft, path)
        if settings:
            draft.notices.append(Finding(variable, f"this variable sets {' and '.join(map(format_key, settings))}"))


def _apply_variables(draft: _Draft, environ: Mapping[str, str]) -> None:
    known = dict(walk_settings())
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX):
            continue
        path = tuple(variable[len(PREFIX) :].lower().split("__"))
        secret = (*path[:-1], path[-1].removesuffix(_FILE_SUFFIX))
        if path in known:
            value, findings = read_variable(path, text, variable)
            draft.problems.extend(findings)
            draft.set(path, value, f"variable {variable}")
            _forget_other_form(draft, path)
        elif path != secret and is_secret(secret):
            draft.set(path, text, f"variable {variable}")
            _forget_other_form(draft, path)
        else:
            names = {"__".join(path).upper(): path for path in known}
            near = find_nearest(variable[len(PREFIX) :], names)
            hint = f"did you mean {PREFIX}{near}?" if near else "see docs/reference/configuration.md"
            draft.problems.append(Finding(variable, "no setting has this name", hint))


def _forget_other_form(draft: _Draft, path: tuple[str, ...]) -> None:
    """A variable is stronger than the file, whichever form of a secret each of them uses."""
    *section, name = path
    plain = name.removesuffix(_FILE_SUFFIX)
    if not is_secret((*section, plain)):
        return
    other = (*section, plain if name != plain else name + _FILE_SUFFIX)
    if not draft.origins.get(format_key(other), "variable").startswith("variable"):
        cast("dict[str, object]", get(draft.document.tree, tuple(section))).pop(other[-1], None)
        draft.origins.pop(format_key(other))


def _read_secret_keys(draft: _Draft) -> None:
    for path, setting in walk_settings():
        section = get(draft.document.tree, path[:-1])
        if not isinstance(section, dict):
            continue
        item = item_of(setting)
        if item is None:
            _read_secret_key(draft, section, path, setting)
            continue
        items = section.get(path[-1])
        for position, inner in enumerate(cast("tuple[object, ...]", items) if isinstance(items, tuple) else ()):
            if isinstance(inner, dict):
                for name, each in item.model_fields.items():
                    _read_secret_key(draft, inner, (*path, position, name), each)


def _read_secret_key(draft: _Draft, section: dict[str, object], path: Key, setting: FieldInfo) -> None:
    name = str(path[-1])
    file_key = name + _FILE_SUFFIX
    if not holds_secret(setting) or file_key not in section:
        return
    place = format_key((*path[:-1], file_key))
    if name in section:
        draft.problems.append(Finding(place, f"{format_key(path)} is set too", "keep one of them"))
        section.pop(file_key)
        return
    file = section.pop(file_key)
    origin = draft.origins.pop(place, None) or draft.origin_of(path) or draft.name
    secret, problems, notices = read_secret_file(place, file, lines=holds_secret(setting, PrivateKey))
    draft.problems.extend(problems)
    draft.notices.extend(notices)
    if secret is None:
        draft.unread.add(format_key(path))
        return
    section[name] = secret
    draft.origins[format_key(path)] = f"{origin}, from {file}"


def _derive_public_url(draft: _Draft) -> None:
    tree = draft.document.tree
    server = tree.get("server")
    if isinstance(server, dict) and server.get("public_url") is not None:
        return
    redirect = get(tree, ("authn", "provider", "redirect_url"))
    if isinstance(redirect, str) and "://" in redirect:
        scheme, _, rest = redirect.partition("://")
        with contextlib.suppress(PydanticCustomError):  # whatever is wrong with it, `check` says so at its own place
            origin = parse_origin(f"{scheme}://{rest.partition('/')[0]}")
            draft.set(("server", "public_url"), origin, "derived from authn.provider.redirect_url")
            return
    address = Listen("", 8080)
    with contextlib.suppress(PydanticCustomError):  # unset or wrong: validation says so at its own place
        address = parse_listen(get(tree, ("server", "addr")))
    url = f"http://localhost:{address.port}" if address.port else "http://localhost:8080"
    draft.set(("server", "public_url"), url, "derived from server.addr")
    hint = "set server.public_url to the address of this gateway, such as https://auth.example.com"
    draft.notices.append(Finding("server.public_url", f"not set, so only this machine can sign in, at {url}", hint))


def _validate(draft: _Draft) -> tuple[Config | None, frozenset[str]]:
    """The configuration, or what is left of it without its broken places, so that everything can be reported."""
    broken: set[str] = set()
    tree = draft.document.tree
    for _ in range(4):
        try:
            return Config.model_validate(tree), frozenset(broken)
        except ValidationError as error:
            tree = copy.deepcopy(tree)
            places: set[Key] = set()
            for detail in error.errors(include_url=False):
                finding = _place(draft, explain_error(cast("dict[str, Any]", detail)))
                draft.problems.append(finding)
                broken.add(format_key(draft.original(tuple(detail["loc"]))))
                places.add(_removable(tree, tuple(detail["loc"])))
            # From the end, so that the positions before it stay what they are.
            for place in sorted(places, key=lambda place: [str(part).zfill(8) for part in place], reverse=True):
                _remove(draft, tree, place)
    return None, frozenset(broken)


def _removable(tree: Mapping[str, object], loc: Key) -> Key:
    """What to take out so that the rest can be validated: the setting, or the item of a list of sections."""
    at: object = tree
    for depth, part in enumerate(loc):
        if isinstance(at, dict) and part in at:
            at = at[str(part)]
        elif isinstance(at, tuple) and isinstance(part, int) and part < len(at):
            return loc[: depth + 1] if isinstance(at[part], dict) else loc[:depth]
        else:
            return loc[:depth]
    return loc


def _remove(draft: _Draft, tree: dict[str, object], place: Key) -> None:
    around = cast("tuple[str, ...]", place[:-1])
    section = get(tree, around)
    if isinstance(section, dict):
        section.pop(place[-1], None)
    elif isinstance(section, tuple) and isinstance(place[-1], int):
        draft.dropped.setdefault(around, []).append(cast("int", draft.original(place)[-1]))
        put(tree, around, section[: place[-1]] + section[place[-1] + 1 :])


def _stands(draft: _Draft, finding: Finding, broken: frozenset[str]) -> bool:
    return not any(
        place == path or place.startswith((f"{path}.", f"{path}[")) or path.startswith((f"{place}.", f"{place}["))
        for place in broken
        for path in (format_key(draft.original(_parse_key(finding.path))), *finding.also)
    )


def _place(draft: _Draft, finding: Finding) -> Finding:
    """Say the finding in the operator's own spelling, with the line."""
    key = draft.original(_parse_key(finding.path))
    path = format_key(key)
    written = draft.written.get(path, path)
    for new, old in draft.written.items():  # a place inside something renamed
        if path.startswith((f"{new}[", f"{new}.")):
            written = old + path[len(new) :]
    origin = draft.origin_of(key)
    elsewhere = origin.startswith(("variable", "command", "derived")) or is_from_profile(origin)
    line = None if elsewhere else draft.document.line_of(key)
    return replace(blame_profile(finding, draft.origins), path=written, line=line)


def _parse_key(path: str) -> Key:
    words = path.replace("[", ".[").split(".")
    return tuple(int(word[1:-1]) if word.startswith("[") else word for word in words)

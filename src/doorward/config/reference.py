"""docs/reference, made from the models: what is not there does not exist, and what exists cannot be missing there."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from doorward.config import aliases, app_headers, assertion, patterns, section, values
from doorward.config.access import App, GroupSection, Require, Rule
from doorward.config.alerts import Alerts, AlertTarget
from doorward.config.environment import holds_secret, kinds_of, section_of, variable_of, walk_settings
from doorward.config.finding import format_key
from doorward.config.profiles import PROFILES
from doorward.config.schema import Config
from doorward.config.spelling import spell_scalar, spell_setting
from doorward.config.upstream import ProviderEntry
from doorward.config.values import PrivateKey, Secret
from doorward.rules.alert import AlertKind
from doorward.rules.audit import Act
from doorward.rules.reason import Reason
from doorward.rules.span import format_span

_MADE: Final = "Made from the models by `make docs`; edit those instead."
_LISTS: Final[dict[tuple[str, ...], tuple[str, type[BaseModel]]]] = {
    ("authn", "providers"): ("A provider", ProviderEntry),
    ("authz", "rules"): ("A rule", Rule),
    ("authz", "groups"): ("A group", GroupSection),
    ("apps",): ("An app", App),
    ("alerts", "targets"): ("A target", AlertTarget),
}
_EXAMPLES: Final[dict[tuple[str, ...], str]] = {
    ("authn", "providers"): """\
providers:
  - id: work
    name: Example Inc.
    issuer_url: https://id.example.com
    client_id: doorward
    client_secret_file: /run/secrets/doorward-work
    allowed_domains: [example.com]
    groups_claim: groups
    groups_rename: {their-admins: admins}
    groups_prefix: work-
  - id: github
    type: github
    client_id: Iv1.0123456789abcdef
    client_secret_file: /run/secrets/doorward-github
    allowed_emails: [alice@example.com]""",
    ("authz", "rules"): """\
rules:
  - domain: "*.example.com"
    users: [alice, bob@example.com]
  - name: the admins' console
    domain: admin.example.com
    groups: [admins]
    networks: [10.0.0.0/8]
    times: Mon-Fri 08:00-18:00
  - effect: deny
    domain: "*.example.com"
    path: /metrics
  - domain: admin.example.com
    require: [fresh: 15m]
  - domain: www.example.com
    path: [=/, /assets, "~/[a-z]+\\\\.html"]
    methods: [GET, HEAD]
    who: anyone""",
    ("authz", "groups"): """\
groups:
  - name: admins
    users: [alice]""",
    ("apps",): """\
apps:
  - name: Wiki
    hosts: wiki.example.com
    icon: 📚
    description: What we know
    contact: alice@example.com
  - name: Graphs
    hosts: graphs.example.com
    headers: {X-WEBAUTH-USER: "{user}", X-WEBAUTH-ROLE: "{groups:graphs-}"}
  - {name: Storage, hosts: nas.example.com, basic: {user: admin, secret: nas}}""",
    ("alerts", "targets"): """\
targets:
  - name: phone
    url: ntfys://ntfy.example.com/topic
  - {name: room, url: "gotifys://push.example.com/token", kinds: [lockdown, chain_broken]}
""",
}

_INTRODUCTION: Final = """\
One YAML file, named with `doorward serve --config FILE`. Without a name the first of `doorward.yaml`,
`/etc/doorward/config.yaml` and `/etc/forward-auth/config.yaml` that exists is read. Unknown keys, values of the wrong
kind and settings that cannot stand together are refused, all at once, before anything starts: `doorward config check`
tells them, `doorward config show` prints what is in force and where each value came from.

- **Precedence**: command line, then `DOORWARD__…`, then the well-known variables below, then the file, then the
  profile, then defaults.
- **Variables**: each setting has one, listed beside it. A list is `a,b` or YAML: `[a, b]`, `[{name: x}]`.
- **Secrets**: `KEY_file` in the file, or the variable with `_FILE` at its end, names a file that holds the secret and
  at most one newline (a private key: all its lines). In a list only the file has this form; a list in a variable may
  name such files, too.
- **`${NAME}`** anywhere in a value is replaced by that variable; `$${` stands for the two characters themselves.
- **Spans** are `90s`, `10m`, `24h`, `7d`, `1h30m`. **Sizes** are `512B`, `64KiB`, `1MiB`. **Limits** are `5/1m`.
- **Hosts** are `app.example.com`, `*.example.com` (any depth below, not the name itself) or `**.example.com` (both).
- **Paths** are `/x` (it and all below, by segment), `=/x` (exactly), a glob when there is a star (`*` within one
  segment, `**` any number of segments) or `~` and an RE2 regular expression that must match the whole path. Rules see
  the decoded path, never the query.
- YAML is read strictly: tags, merge keys and keys given twice are refused, and `no`, `off`, `1:30` and `0o17` are text.
"""
_PROFILE_INTRODUCTION: Final = """\
`balanced` is the defaults. What another profile sets stands below; an empty place is the default. The file, the
environment and the command line are stronger, setting by setting, and `doorward config show` names the profile where a
value came from it. What each is for: [Profiles](../guides/profiles.md). With `cookie.domain`, the cookie of `strict` is
called `__Secure-doorward`: browsers refuse the other name then.
"""
_WORDS: Final[dict[object, str]] = {
    bool: "true or false",
    int: "number",
    str: "text",
    Secret: "secret",
    PrivateKey: "secret",
}
_KINDS: Final = {
    values.parse_duration: "span",
    values.parse_optional_duration: "span, `off`",
    values.parse_size: "size",
    values.parse_listen: "address",
    values.parse_optional_listen: "address, `off`",
    values.parse_origin: "URL",
    patterns.parse_group: "name",
    app_headers.parse_templates: "headers",
    app_headers.parse_basic_entry: "name and secret",
    assertion.parse_assertion_header: "header name",
    section.parse_secure: "`auto`, true or false",
    section.parse_zone: "time zone",
}


def make_reference() -> dict[str, str]:
    """Every generated page: file name -> text."""
    return {
        "configuration.md": make_configuration(),
        "doorward.example.yaml": make_example(),
        "reasons.md": make_reasons(),
        "audit-events.md": make_audit_events(),
        "alerts.md": make_alerts(),
    }


def make_configuration() -> str:
    """The page on every setting."""
    lines = [
        "# Configuration",
        "",
        f"<!-- {_MADE} -->",
        "",
        *_INTRODUCTION.splitlines(),
        "",
        *_profile_page(),
        *_section_pages(Config, ()),
        "## Other names",
        "",
        "Keys that are understood, too. A forward-auth configuration loads unchanged:",
        "",
        "| Key | Means |",
        "|---|---|",
        *(f"| `{_dotted(old)}` | `{_dotted(new)}` |" for old, new in aliases.KEYS.items()),
        "",
        "Variables people already have; `DOORWARD__…` is stronger:",
        "",
        "| Variable | Holds |",
        "|---|---|",
        *(f"| `{name}` | {form} |" for name, (_, form) in aliases.VARIABLES.items()),
        "",
    ]
    return "\n".join(lines)


def make_example() -> str:
    """A complete configuration in which everything is a comment: as it stands, it changes nothing."""
    lines = [
        "# Every setting with its default. Remove the `#` before what you want to change.",
        "# Lines with `##` explain. Every value may also hold ${VARIABLE} from the environment.",
        f"# {_MADE}",
    ]
    for name, field in Config.model_fields.items():
        section = section_of(field)
        lines.append("")
        if section is None:
            lines += [f"## {text}" for text in _wrap(field.description or "", 100)]
            example = _EXAMPLES.get((name,)) or f"{name}: {spell_scalar(_default(field))}"
            lines += [f"# {text}" for text in example.splitlines()]
            continue
        lines += [f"## {text}" for text in _wrap(_summary(section), 100)]
        lines.append(f"{name}:")
        lines += _example_lines(section, (name,), "  ")
    return "\n".join(lines) + "\n"


def make_reasons() -> str:
    """The page on reasons."""
    rows = [f"| `{reason.value}` | {reason.sentence} |" for reason in Reason]
    return "\n".join(
        [
            "# Reasons",
            "",
            f"<!-- {_MADE} -->",
            "",
            "Why a request was allowed, challenged or denied. The same word stands in log lines, metrics, audit",
            "records, `doorward explain` and on the page a visitor sees, with the sentence beside it.",
            "",
            "| Word | What the visitor reads |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def make_audit_events() -> str:
    """The page on audit events."""
    rows = [f"| `{act.value}` | {act.meaning} |" for act in Act]
    return "\n".join(
        [
            "# Audit events",
            "",
            f"<!-- {_MADE} -->",
            "",
            "Each is recorded in the transaction of the act itself, as a link of a chain of hashes: an edit, a",
            "deletion, an insertion or another order shows.",
            "",
            "| Event | When |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def make_alerts() -> str:
    """The page on alerts."""
    rows = []
    for kind in AlertKind:
        mailed, at_once = ("yes" if each else "" for each in (kind in Alerts().mail, kind.is_urgent))
        again = f"after {format_span(kind.repeat_after)}" if kind.repeat_after else "each time"
        rows.append(_cells((f"`{kind.value}`", kind.meaning, mailed, at_once, again)))
    return "\n".join(
        [
            "# Kinds of alerts",
            "",
            f"<!-- {_MADE} -->",
            "",
            "Queued in the transaction of what is told. *Mailed*: to administrators, where `alerts.mail` is not set.",
            "*At once*: no limit holds it back. *Again*: when the same is told again of the same.",
            "",
            "| Kind | When | Mailed | At once | Again |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _profile_page() -> Iterator[str]:
    """What each profile sets otherwise than the default; `balanced` is the defaults."""
    others = {name: chosen for name, chosen in PROFILES.items() if chosen}
    yield from ("## Profiles", "", "| Key | Kind | Default | What it does | Variable |", "|---|---|---|---|---|")
    yield from (_row(("profile",), "profile", Config.model_fields["profile"], variable=True), "")
    yield from (*_PROFILE_INTRODUCTION.splitlines(), "")
    yield from (_cells(["Key", "Default", *(f"`{name}`" for name in others)]), "|---" * (len(others) + 2) + "|")
    for path, field in walk_settings():
        if any(path in chosen for chosen in others.values()):
            told = [_spell_value(chosen[path]) if path in chosen else "" for chosen in others.values()]
            yield _cells(
                f"`{cell}`" if cell else "" for cell in (format_key(path), spell_scalar(_default(field)), *told)
            )
    yield ""


def _spell_value(value: object) -> str:
    return spell_scalar(list(value) if isinstance(value, tuple) else value)


def _cells(texts: Iterable[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def _section_pages(model: type[BaseModel], at: tuple[str, ...]) -> Iterator[str]:
    rows: list[str] = []
    inner: list[str] = []
    for name, field in model.model_fields.items():
        path = (*at, name)
        section = section_of(field)
        if section is not None:
            inner += _section_pages(section, path)
            continue
        rows.append(_row(path, name, field, variable=True))
        if path in _LISTS:
            title, item = _LISTS[path]
            inner += [*_item_page(path, title, item)]
    if at:
        yield from (f"{'#' * min(len(at) + 1, 4)} `{'.'.join(at)}`", "", _summary(model), "")
    if rows and at:
        yield from ("| Key | Kind | Default | What it does | Variable |", "|---|---|---|---|---|", *rows, "")
    yield from inner


def _item_page(path: tuple[str, ...], title: str, item: type[BaseModel]) -> Iterator[str]:
    everything = f"The variable `{variable_of(path)}` gives the whole list as YAML."
    yield from (f"### {title} in `{'.'.join(path)}`", "", f"{_summary(item)} {everything}", "")
    yield from ("| Key | Kind | Default | What it does |", "|---|---|---|---|")
    for name, field in item.model_fields.items():
        yield _row((*path, name), name, field, variable=False)
    yield ""
    if item is Rule:
        yield from (_summary(Require), "", "| Key | Kind | Default | What it does |", "|---|---|---|---|")
        for name, field in Require.model_fields.items():
            yield _row((*path, "require", name), name, field, variable=False)
        yield ""
    yield from ("```yaml", *_EXAMPLES[path].splitlines(), "```", "")


def _row(path: tuple[str, ...], name: str, field: FieldInfo, *, variable: bool) -> str:
    spelled = _default(field)
    default = "required" if field.is_required() else "none" if spelled is None else f"`{spell_scalar(spelled)}`"
    is_secret = holds_secret(field)
    key = f"`{name}`" + (f", `{name}_file`" if is_secret else "")
    cells = [key, _kind(field), default, (field.description or "").replace("|", "\\|")]
    if variable:
        cells.append(f"`{variable_of(path)}`" + (", `…_FILE`" if is_secret else ""))
    return _cells(cells)


def _default(field: FieldInfo) -> Any:
    return None if field.default is PydanticUndefined else spell_setting(field, field.default)


def _kind(field: FieldInfo) -> str:
    readers = [getattr(validator, "func", None) for validator in field.metadata]
    for reader, word in _KINDS.items():
        if reader in readers:
            return word
    words: list[str] = []
    for kind in kinds_of(field.annotation):
        if get_origin(kind) is Literal:
            words += [f"`{word}`" for word in get_args(kind)]
        elif get_origin(kind) is tuple:
            words.append("list")
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            words.append("see below")
        elif kind is not type(None):
            words.append(_WORDS.get(kind, "text"))
    return ", ".join(words) + _bounds(field)


def _bounds(field: FieldInfo) -> str:
    low = next((item.ge for item in field.metadata if hasattr(item, "ge")), None)
    high = next((item.le for item in field.metadata if hasattr(item, "le")), None)
    return f", {low} to {high}" if low is not None and high is not None else ""


def _example_lines(model: type[BaseModel], at: tuple[str, ...], indent: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        path = (*at, name)
        section = section_of(field)
        if section is not None:
            yield from (f"{indent}## {text}" for text in _wrap(_summary(section), 96))
            lines = [f"{indent}{name}:", *_example_lines(section, path, indent + "  ")]
            # A section that need not be there is a comment as a whole.
            yield from (_comment(line, indent) for line in lines) if field.default is None else lines
            continue
        yield from (f"{indent}## {text}" for text in _wrap(field.description or "", 96))
        if path in _EXAMPLES:
            yield from (f"{indent}# {text}" for text in _EXAMPLES[path].splitlines())
        elif holds_secret(field):
            yield f"{indent}# {name}_file: /run/secrets/doorward-{name.replace('_', '-')}"
        else:
            yield f"{indent}# {name}: {spell_scalar(_default(field))}".rstrip()


def _comment(line: str, indent: str) -> str:
    text = line.removeprefix(indent)
    inner = text.lstrip()
    if inner.startswith("##"):
        return line
    return f"{indent}# {text[: len(text) - len(inner)]}{inner.removeprefix('# ')}"


def _summary(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text.replace("`", ""), width)


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(path).replace(".*", "[]")

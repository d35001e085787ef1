"""What to type or paste where a key is used: made once, with the real address and the real key, and stored nowhere.

None of it is a sentence: it is the same in every language, and the page says around it what it is for.
"""

import json
from dataclasses import dataclass, field
from shlex import quote as shell_quote
from urllib.parse import quote, urlsplit

from doorward.rules.names import clean_text

_SAFE_IN_PATHS = "/!$&'()*+,;=:@-._~%"
_MAX_TITLE = 50


@dataclass(frozen=True, slots=True)
class ReadyLines:
    """Lines for one address. `in_url` is "" where the key may not stand in an address.

    `git` names no password: git asks for it, and it is written neither into the repository nor into the shell's memory.
    """

    name: str
    url: str
    user: str
    api_key: str = field(repr=False)
    bearer: str = field(repr=False)
    basic: str = field(repr=False)
    git: str
    home_assistant: str = field(repr=False)
    in_url: str = field(repr=False)


def write_lines(name: str, url: str, *, user: str, key: str, path: str = "/", parameter: str = "") -> ReadyLines:
    """The lines for an app at `url`, of which the key opens what is below `path`.

    `parameter`: the name of the parameter that may carry the key there, "" where none may.
    """
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    address = origin + quote(path if path != "/" else parts.path or "/", safe=_SAFE_IN_PATHS)
    shown = shell_quote(address)
    repository = f"{parts.scheme}://{quote(user, safe='')}@{parts.netloc}/OWNER/REPOSITORY.git"
    return ReadyLines(
        name=name,
        url=address,
        user=user,
        api_key=f"curl -H {shell_quote(f'X-Api-Key: {key}')} {shown}",
        bearer=f"curl -H {shell_quote(f'Authorization: Bearer {key}')} {shown}",
        basic=f"curl -u {shell_quote(f'{user}:{key}')} {shown}",
        git=f"git clone {shell_quote(repository)}",
        home_assistant=_write_sensor(clean_text(name, _MAX_TITLE), address, key),
        in_url=f"{address}?{parameter}={key}" if parameter else "",
    )


def write_own_line(public_url: str, *, key: str) -> str:
    """How our own API is asked with a key."""
    return f"curl -H {shell_quote(f'Authorization: Bearer {key}')} {shell_quote(f'{public_url}/api/v1/account')}"


def _write_sensor(title: str, address: str, key: str) -> str:
    """A sensor of Home Assistant, for its configuration.yaml. JSON's strings are YAML's, whatever stands in them."""
    return "\n".join(
        (
            "rest:",
            f"  - resource: {json.dumps(address)}",
            "    scan_interval: 60",
            "    headers:",
            f"      X-Api-Key: {json.dumps(key)}",
            "    sensor:",
            f"      - name: {json.dumps(title, ensure_ascii=False)}",
            '        value_template: "{{ value[:255] }}"',
        )
    )

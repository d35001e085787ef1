"""The `doorward` command for which Google and GitHub are on loopback, and names lead where a test says.

    python tests/attacks/elsewhere.py GOOGLE_URL GITHUB_URL NAMES serve --config …

No setting leads elsewhere than to the real ones, so this starts the program with other addresses in it. NAMES is a
file, read at every question, with the addresses that a name server would give just then; without it the system is asked.
"""

import json
import sys
from collections.abc import Sequence
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from doorward.outside import fetch
from doorward.outside.upstream import client
from doorward.outside.upstream.github import GitHubAddresses
from doorward.rules.outbound import Address

google, github = sys.argv[1:3]
names = Path(sys.argv[3])
del sys.argv[1:4]


async def resolve(host: str) -> Sequence[Address]:
    """Ask the file."""
    return [ip_address(each) for each in json.loads(names.read_text("utf-8"))[host]]


# Before anything else takes them from there.
if names.exists():
    fetch.GuardedFetch = partial(fetch.GuardedFetch, resolve=resolve)
client.UpstreamClient = partial(
    client.UpstreamClient,
    google_discovery=f"{google}/.well-known/openid-configuration",
    github=GitHubAddresses(
        authorize=f"{github}/login/oauth/authorize",
        token=f"{github}/login/oauth/access_token",
        user=f"{github}/user",
        emails=f"{github}/user/emails?per_page=100",
    ),
)

from doorward.cli import main  # noqa: E402

main()

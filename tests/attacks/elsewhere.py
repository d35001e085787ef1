"""The `doorward` command for which Google and GitHub are on loopback; everything else is as it is.

    python tests/attacks/elsewhere.py GOOGLE_URL GITHUB_URL serve --config …

No setting leads elsewhere than to the real ones, so this starts the program with other addresses in it.
"""

import sys
from functools import partial

from doorward.outside.upstream import client
from doorward.outside.upstream.github import GitHubAddresses

google, github = sys.argv[1:3]
del sys.argv[1:3]
# Before anything else takes it from there.
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

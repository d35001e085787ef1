"""Whether a file or folder is ours alone (A-44, A-45), judged from what `stat` says about it."""

import stat

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check_private(path: str, *, mode: int, owner: int, me: int) -> list[str]:
    """List what is too open about `path`, each a sentence that ends with the command that mends it.

    `mode` and `owner` as `stat` gives them, `me` the user id we run as.
    """
    wanted = "700" if stat.S_ISDIR(mode) else "600"
    problems = []
    if owner != me:
        problems.append(f"{path} belongs to user {owner}, and we run as user {me}: chown {me} {quote(path)}")
    if mode & _OTHERS:
        problems.append(
            f"{path} has mode {stat.S_IMODE(mode):03o}, so other users can reach it: chmod {wanted} {quote(path)}"
        )
    return problems


def quote(path: str) -> str:
    """A path as a shell takes it."""
    plain = all(letter.isalnum() or letter in "/._-+@%:,=" for letter in path)
    return path if plain and path else "'" + path.replace("'", "'\"'\"'") + "'"

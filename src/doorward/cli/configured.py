"""What the commands about the configuration share: its options, and reading it."""

from pathlib import Path
from typing import Annotated

import typer

from doorward.app.house import read_environment
from doorward.config.load import Loaded, find_file, load_config

InsecureHttpOption = Annotated[
    bool,
    typer.Option("--allow-insecure-http", help="Accept a public_url with http:// (server.insecure_http)."),
]


def load(path: Path | None, *, allow_insecure_http: bool = False) -> Loaded:
    """Read the configuration named, or the first one found, with environment and command line on top."""
    overrides = {"server.insecure_http": True} if allow_insecure_http else {}
    return load_config(path or find_file(), environ=read_environment(), overrides=overrides)

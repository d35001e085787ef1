"""`doorward serve` and `doorward setup-link`: run the gateway, and let its first administrator in."""

import typer

from doorward import app
from doorward.cli.house import ConfigOption, JsonOption, in_house, tell
from doorward.config.load import Loaded, find_file, load_config
from doorward.errors import ConflictError


def serve(config: ConfigOption = None) -> None:
    """Run the gateway until SIGTERM or Ctrl-C. SIGHUP reads rules, groups and apps again."""
    path = config or find_file()
    environ = app.read_environment()

    def load() -> Loaded:
        return load_config(path, environ=environ)

    app.serve(load(), environ=environ, load=load)


def setup_link(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print a new link, good for 15 minutes and one use, with which the first administrator is created."""

    async def act(house: app.House) -> str:
        token = await house.flows.setup.issue(now=house.clock.now())
        if token is None:
            raise ConflictError("this gateway is set up already; add accounts with `doorward user add`")
        return app.setup_link(house.config, token)

    link = in_house(config, act)
    tell(link, {"link": link}, as_json=json)


def register(commands: typer.Typer) -> None:
    """Add both to the top level of the command line."""
    commands.command("serve")(serve)
    commands.command("setup-link")(setup_link)

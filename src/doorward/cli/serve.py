"""`doorward serve` and `doorward setup-link`: run the gateway, and let its first administrator in."""

from doorward.app import serve as running
from doorward.app.house import House, read_environment
from doorward.cli.configured import InsecureHttpOption
from doorward.cli.house import ConfigOption, JsonOption, in_house, tell
from doorward.config.load import Loaded, find_file, load_config
from doorward.errors import ConflictError


def serve(config: ConfigOption = None, *, allow_insecure_http: InsecureHttpOption = False) -> None:
    """Run the gateway until SIGTERM or Ctrl-C. SIGHUP reads rules, groups, apps and providers again."""
    path = config or find_file()
    environ = read_environment()
    overrides = {"server.insecure_http": True} if allow_insecure_http else {}

    def load() -> Loaded:
        return load_config(path, environ=environ, overrides=overrides)

    running.serve(load(), environ=environ, load=load)


def setup_link(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print a new link, good for 15 minutes and one use, with which the first administrator is created."""

    async def act(house: House) -> str:
        token = await house.flows.setup.issue(now=house.clock.now())
        if token is None:
            raise ConflictError("this gateway is set up already; add accounts with `doorward user add`")
        return running.setup_link(house.config, token)

    link = in_house(config, act)
    tell(link, {"link": link}, as_json=json)

"""`doorward provider`: the providers that people may sign in with."""

from collections.abc import Sequence
from typing import Annotated

import typer

from doorward.app.house import House
from doorward.cli.house import ConfigOption, JsonOption, in_house, spell_cell, tell, tell_table
from doorward.flows.admin import CLI
from doorward.flows.providers import Listed
from doorward.rules.oidc import Finding, Health
from doorward.rules.provider import ProviderId

commands = typer.Typer(
    help="Providers. They are set in the configuration file or in the console; here they are looked at.",
    no_args_is_help=True,
)

_MARKS = {Health.GOOD: "good", Health.UNSURE: "unsure", Health.BAD: "BAD"}


@commands.command("list")
def list_providers(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List all providers, with the redirect URI to register at each."""

    async def act(house: House) -> list[dict[str, object]]:
        listed = await house.flows.providers.list(CLI)
        return [_describe(each, house.config.server.public_url) for each in listed]

    rows = in_house(config, act)
    columns = ["id", "name", "type", "enabled", "set_in", "issuer", "redirect_uri"]
    columns += ["remark"] if any(row["remark"] for row in rows) else []
    tell_table(rows, columns, empty="There are no providers: people sign in with a password.", as_json=json)


@commands.command("test")
def examine(
    provider: Annotated[str, typer.Argument(metavar="ID", help="The provider's id, from `provider list`.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Try whatever can be tried without a person, and say how it went. Exit code 1 when something is bad."""

    async def act(house: House) -> Sequence[Finding]:
        return await house.flows.providers.test(CLI, ProviderId(provider), now=house.clock.now())

    findings = in_house(config, act)
    rows = [
        {"title": each.title, "health": each.health.value, "text": each.text, "advice": each.advice}
        for each in findings
    ]
    tell("\n".join(line for each in findings for line in _spell(each)), rows, as_json=json)
    if any(each.health is Health.BAD for each in findings):
        raise typer.Exit(1)


def _describe(listed: Listed, public_url: str) -> dict[str, object]:
    provider = listed.provider
    return {
        "id": provider.id,
        "name": provider.name,
        "type": provider.kind.value,
        "enabled": provider.enabled and not listed.shadowed,
        "set_in": "file" if provider.from_file else "console",
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "redirect_uri": public_url + provider.callback,
        "remark": listed.shadowed or listed.trouble,
    }


def _spell(finding: Finding) -> list[str]:
    width = max(len(mark) for mark in _MARKS.values())
    lines = [f"{_MARKS[finding.health]:{width}}  {finding.title}: {spell_cell(finding.text)}"]
    return lines + ([f"{'':{width}}  -> {spell_cell(finding.advice)}"] if finding.advice else [])

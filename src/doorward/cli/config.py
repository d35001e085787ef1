"""`doorward config`: check, show and document the configuration; import and export it."""

from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from doorward.cli.configured import InsecureHttpOption, load
from doorward.cli.house import ConfigOption, JsonOption
from doorward.cli.reading import ApplyOption, FileArgument, OutOption, OverwriteOption
from doorward.cli.settings_exchange import export_settings, import_settings
from doorward.config.providers import build_providers

commands = typer.Typer(no_args_is_help=True)


@commands.command()
def check(*, config: ConfigOption = None, allow_insecure_http: InsecureHttpOption = False) -> None:
    """Tell every problem at once, and what is worth knowing. Exit code 78 when there is a problem."""
    loaded = load(config, allow_insecure_http=allow_insecure_http)
    for notice in loaded.notices:
        typer.echo(f"notice: {notice}")
    counted = {
        "rule": len(loaded.config.authz.rules),
        "app": len(loaded.config.apps),
        "provider": len(build_providers(loaded.config)),
    }
    where = loaded.path or "the defaults"
    typer.echo(f"{where}: no problems; {', '.join(_count(number, what) for what, number in counted.items())}")


@commands.command()
def show(
    *, config: ConfigOption = None, allow_insecure_http: InsecureHttpOption = False, json: JsonOption = False
) -> None:
    """Print every setting in force with where it came from. Secrets are hidden."""
    from doorward.config.show import list_settings, show_config

    loaded = load(config, allow_insecure_http=allow_insecure_http)
    if json:
        typer.echo(dumps(list_settings(loaded), indent=2, ensure_ascii=False))
    else:
        typer.echo(show_config(loaded), nl=False)


@commands.command("import")
def import_config(
    file: FileArgument,
    apply: ApplyOption = "",
    overwrite: OverwriteOption = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Merge another configuration, also forward-auth's. Without --apply nothing is changed.

    Comments stay where they are, and what was there is kept beside the file.
    """
    import_settings(config, file, apply=apply, overwrite=overwrite, as_json=json)


@commands.command("export")
def export_config(out: OutOption = None, config: ConfigOption = None) -> None:
    """Export every setting that somebody made. Secrets are hidden, or named by the file that holds them."""
    export_settings(config, out)


@commands.command()
def reference(
    *,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="DIRECTORY", help="Write all pages there instead.")
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="Print the commented example instead.")] = False,
) -> None:
    """Print the page on every setting."""
    from doorward.config.reference import make_reference

    pages = make_reference()
    if write is None:
        typer.echo(pages["doorward.example.yaml" if example else "configuration.md"], nl=False)
        return
    write.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (write / name).write_text(text, encoding="utf-8")
        typer.echo(str(write / name))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")

"""`doorward rules`: who may open what, in and out of the configuration file."""

import typer

from doorward.cli.house import ConfigOption, JsonOption
from doorward.cli.reading import ApplyOption, FileArgument, OutOption, OverwriteOption
from doorward.cli.settings_exchange import export_settings, import_settings
from doorward.config.portable import RULES

commands = typer.Typer(help="Rules, groups and apps of the configuration file.", no_args_is_help=True)


@commands.command("import")
def import_rules(
    file: FileArgument,
    apply: ApplyOption = "",
    overwrite: OverwriteOption = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Merge rules, groups and apps of another file, also forward-auth's. Without --apply nothing is changed."""
    import_settings(config, file, apply=apply, overwrite=overwrite, as_json=json, sections=RULES)


@commands.command("export")
def export_rules(out: OutOption = None, config: ConfigOption = None) -> None:
    """Export rules, groups and apps."""
    export_settings(config, out, sections=RULES)

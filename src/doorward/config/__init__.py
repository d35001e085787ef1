"""Configuration: one YAML file, the environment and the command line become one frozen value.

Owns the settings (`schema`, `access`), how they are read (`source`, `environment`, `aliases`, `load`), what they are
where nobody sets them (`profiles`), what may not stand together (`check`), the compilation of rules (`policy`), and the
reference made from all that (`reference`). Reads
files and the mappings it is handed; never the process environment, the clock or the network. Nothing below `app` knows
that configuration exists.
"""

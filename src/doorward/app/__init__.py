"""The composition root: from a configuration to a running application. Nothing else knows which database is in use.

Owns what is connected to what, and when it starts, reloads and ends. Must not judge anything. `open_house` connects
storage, keys and flows: enough for the CLI. `build_doors` puts gate, pages and API in front of them. `serve` listens,
reloads on SIGHUP and ends in good order. Heavy parts are imported by the function that needs them, so that a command
does not pay for a server.
"""

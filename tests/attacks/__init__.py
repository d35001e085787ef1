"""Hostile input against the real `doorward serve`, as raw bytes on sockets, from addresses of our choice.

Owns the stage on which it happens (hosts, rules and people of `stage.CONFIG`) and the invariants that hold after every
single attack (`invariants`). What the five proxies make of hostile requests is sent through them in tests/integration.
"""

"""Providers, spoken to in their protocol: `interfaces.Upstream` over `interfaces.Fetch`.

Owns what is remembered of a provider (its description, its keys, that it failed) and every request to it. Must not
decide who may sign in (that is `rules/upstream.py`), call out by anything but `Fetch`, or keep anything of one sign-in
(H05).
"""

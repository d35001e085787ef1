"""The hot path: the check. Owns how a proxy's question is read, judged by `rules.access` and answered, in two lanes.

Must not await, touch a database beyond `interfaces.LiveView`, or know flows, pages, templates or the API.
"""

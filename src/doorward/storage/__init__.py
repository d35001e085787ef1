"""Where state is kept: the durable records and the perishable sessions, tickets and counters.

Owns databases, their schema, and the translation of every driver's errors into ours. Must not decide (that is
`rules`), read the clock, or be imported by anybody but `app`. Backends (`sqlite`, `memory`) do not know each other.
"""

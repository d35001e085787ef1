"""What people and operators do, step by step: read, ask a rule, write.

Owns the order of things: what is counted before it is tried, what is written in one transaction, which session dies
when another is born. Knows the world only through `interfaces`; knows no HTTP, no cookie names, no configuration.
`now` is an argument: one operation, one instant. A refusal is returned as a value; an exception is a fault.
"""

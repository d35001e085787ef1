"""A real provider for real sign-ins: the certified `oidc-provider` from npm, as a process of its own.

Owns the provider's program, how it is installed and started, and what can be done to it. Must not know Doorward: what
it is told about its clients comes from the tests.
"""

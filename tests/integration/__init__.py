"""Doorward behind real proxies, with the very configurations of docs/guides.

Owns the harness: real processes on free loopback ports, ended by the fixture that started them; an app that records
exactly what reached it; a line between proxy and gate that can be cut or held. Holds no knowledge of what a check
decides: that is tested where it is decided.
"""

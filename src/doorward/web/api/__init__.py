"""The door for machines: JSON, described at `/api/openapi.json`.

Owns what a program asks about sessions and about this installation. Knows the flows, and nothing of HTML. Cookies are
read, forged requests refused and errors worded by the same code as for pages.
"""

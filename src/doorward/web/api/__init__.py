"""The door for machines: JSON, described at `/api/openapi.json`.

Owns what a program may ask and do: about the account it acts for, its second factors and sessions, about this
installation, and, for administrators, about everybody. Which address does what, the form of bodies and answers
(`bodies`, `*_answers`), and the codes of refusals (`problems`) stand here; what is allowed is decided by the same flows
as for pages, and cookies are read and forged requests refused by the same code. Knows nothing of HTML.
"""

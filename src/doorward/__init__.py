"""Doorward: the identity gateway that answers, for every request, whether it may be made.

The rooms, from the ground up; imports point downwards only:

- ``errors``      exceptions, by whose fault they are
- ``rules``       pure decisions over frozen values
- ``interfaces``  what we ask of the world
- ``flows``       what people do in several steps
- ``storage``     SQLite and memory behind the interfaces
- ``outside``     clock, randomness, password hashing, keys, log
- ``web``         the doors: ``gate`` (the hot path), ``pages``, ``api``
- ``config``      one YAML file to frozen values
- ``app``         the composition root; it alone connects the above
- ``cli``         the operator's door

``verify`` stands apart: apps behind the gateway take it alone, to verify what it signs.
"""

__version__ = "0.1.0"

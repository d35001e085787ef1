"""What somebody chose for their account. A name that is not here does not exist."""

from typing import Final

LOCATIONS: Final = "locations"
"""Whether their sign-ins may be noted with the place of the address: there for yes, absent for no (D-37)."""
ON: Final = "on"

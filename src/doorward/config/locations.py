"""The setting of places: where sign-ins come from, as far as an address tells."""

from pydantic import Field

from doorward.config.section import Section
from doorward.config.values import Text


class Locations(Section):
    """Where sign-ins come from: off until there is a `database`, and then noted for who agrees in their profile."""

    database: Text = Field(
        default="",
        description="A file in MMDB format with cities, such as GeoLite2-City or DB-IP City Lite. It is read here; "
        "nobody is asked about an address. Unset: no places are noted.",
    )

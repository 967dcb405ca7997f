"""Config of planned looks: the group-sequential rule of a bounded trial."""

from typing import Literal

from pydantic import Field

from shadowstream.config.model import Model


class GroupSequential(Model):
    """Config of the group-sequential rule: few looks up to a known end."""

    units: int = Field(
        ge=1,
        le=10_000_000,
        description="units (records, pairs) of a criterion at the planned end; the real end counts as the end too",
    )
    looks: int = Field(
        5, ge=1, le=20, description="number of looks, evenly spaced in units, the end among them; no other promotes"
    )
    spending: Literal["obrien_fleming", "pocock"] = Field(
        "obrien_fleming",
        description="when alpha is spent. obrien_fleming: nearly all of it at the end; pocock: about evenly, which "
        "promotes good candidates earlier and needs more units for those near the limit",
    )

"""Config of the detection of changes over time."""

from pydantic import Field

from shadowstream.config.model import Model


class Drift(Model):
    """Config of the detection of changes over time."""

    delta: float = Field(0.002, gt=0, lt=1, description="ADWIN's confidence parameter, per step")
    min_records: int = Field(200, ge=1, description="windows are merged until they hold this many records")
    min_effect: float = Field(
        0.5, gt=0, allow_inf_nan=False, description="least change of the rate that counts, as a share of its limit"
    )

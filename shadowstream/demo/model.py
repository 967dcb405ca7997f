"""The demo's model: will a flight arrive more than 15 minutes late?

A river pipeline (scaled numbers, one-hot carrier, logistic regression) learns once from January, in event-time order,
and is then frozen: exported as plain parameters whose score is a pure function of one flight. So neither the number of
partitions nor a restart can change what production or a candidate says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from shadowstream.demo.flights import labelled
from shadowstream.errors import ConfigError

if TYPE_CHECKING:
    from river.compose import Pipeline

NUMBERS = ("dep_delay", "distance", "hour")
PRODUCTION = "delays-2013.1"
"""What production's outputs say in `model`."""
LATE_FROM = 0.5
"""The score from which production calls a flight late."""


class Scaled(NamedTuple):
    """One number of the model: it adds (value - mean) / sd * weight to the log-odds."""

    mean: float
    sd: float
    weight: float


@dataclass(frozen=True, slots=True)
class Frozen:
    """The trained model as plain numbers.

    A number that is null (a cancelled flight has no departure delay) adds nothing, as if it were January's mean: that
    is what river does with a feature that is not there. A carrier unseen in January adds nothing either.
    """

    bias: float
    numbers: Mapping[str, Scaled]
    carriers: Mapping[str, float]

    def score(self, flight: Mapping[str, Any]) -> float:
        """The probability that this flight arrives more than 15 minutes late: a pure function of the flight.

        >>> even = Frozen(0.0, {"dep_delay": Scaled(mean=10.0, sd=30.0, weight=4.0)}, {"UA": 0.0})
        >>> even.score({"carrier": "UA", "dep_delay": 10}), even.score({"carrier": "UA", "dep_delay": None})
        (0.5, 0.5)
        """
        odds = self.bias + self.carriers.get(flight["carrier"], 0.0)
        for name, (mean, sd, weight) in self.numbers.items():
            value = flight[name]
            if value is not None:
                odds += (value - mean) / sd * weight
        # Beyond 30 river's own sigmoid says exactly 0 and 1; it also keeps exp from overflowing.
        if odds > 30.0:
            return 1.0
        if odds < -30.0:
            return 0.0
        return 1.0 / (1.0 + math.exp(-odds))

    def judge(self, flight: Mapping[str, Any], model: str, late_from: float = LATE_FROM) -> dict[str, Any]:
        """The output for one flight, a value of schema `flight-delays-value`; `model` is the name it is signed with."""
        score = self.score(flight)
        return {
            "id": flight["id"],
            "carrier": flight["carrier"],
            "score": score,
            "late": score >= late_from,
            "model": model,
        }

    def to_json(self) -> str:
        """The parameters as JSON; floats survive unchanged."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Frozen:
        """The model that `to_json` wrote. Raises ValueError, KeyError or TypeError on anything else."""
        document = json.loads(text)
        numbers = {name: Scaled(*parameters) for name, parameters in document["numbers"].items()}
        return cls(document["bias"], numbers, document["carriers"])

    @classmethod
    def from_file(cls, path: Path) -> Frozen:
        """The model in a file that holds `to_json`. Raises ConfigError where it cannot be read as one."""
        try:
            return cls.from_json(path.read_text("utf-8"))
        except (OSError, ValueError, KeyError, TypeError) as failure:
            raise ConfigError(f"{path} cannot be read as the demo's model: {failure!r}") from failure


def pipeline() -> Pipeline:
    """The river pipeline before it has learnt anything. Takes what `features` gives."""
    # Only training needs river, and importing it takes longer than scoring 100,000 flights.
    from river import compose, linear_model, preprocessing

    # Select by name and one-hot zeros would both come in the order of a set of strings: it changes from process to
    # process, and with it the last bit of every sum. So by type, in the order of `features`, and without the zeros.
    numbers = compose.SelectType(int) | preprocessing.StandardScaler()
    carriers = compose.SelectType(str) | preprocessing.OneHotEncoder(drop_zeros=True)
    return compose.TransformerUnion(("numbers", numbers), ("carriers", carriers)) | linear_model.LogisticRegression()


def features(flight: Mapping[str, Any]) -> dict[str, Any]:
    """What the pipeline may see of a flight; a null number is left out."""
    return {name: flight[name] for name in (*NUMBERS, "carrier") if flight[name] is not None}


def learn() -> Pipeline:
    model = pipeline()
    for flight, late in labelled(month=1):
        model.learn_one(features(flight), late)
    return model


def freeze(model: Pipeline) -> Frozen:
    union, regression = model["TransformerUnion"], model["LogisticRegression"]
    scaler, weights = union["numbers"]["StandardScaler"], regression.weights
    numbers = {
        name: Scaled(scaler.means[name], math.sqrt(scaler.vars[name]), weights[name]) for name in sorted(NUMBERS)
    }
    carriers = {
        feature.removeprefix("carrier_"): weight
        for feature, weight in sorted(weights.items())
        if feature.startswith("carrier_")
    }
    return Frozen(regression.intercept, numbers, carriers)


def train() -> Frozen:
    """Production's model, the same bits in every process. Raises ConfigError when the data is not installed."""
    return freeze(learn())

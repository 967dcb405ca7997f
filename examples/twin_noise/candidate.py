"""The candidate: as noisy as production, and no noisier."""

import random

luck = random.Random(11)


def score(payment):
    return {"score": payment["amount"] + (luck.random() < 0.1)}

"""The candidate: it looks at the time of day too, so its probabilities are nearer to the truth."""


def score(payment):
    return {"probability": 0.8 if payment["foreign"] and payment["night"] else 0.05}

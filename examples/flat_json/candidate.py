"""The candidate: the same score by another sum, so that its last digits differ."""


def score(payment):
    return {"score": sum([payment["amount"] / 10_000] * 10), "model_version": "2.0"}

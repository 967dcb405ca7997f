"""The candidate: a count for each customer, which survives restarts as a snapshot."""

import json


class Visits:
    """Orders of each customer of one input partition."""

    def __init__(self):
        self.visits = {}

    def __call__(self, order):
        customer = order["customer"]
        self.visits[customer] = self.visits.get(customer, 0) + 1
        return {"id": order["id"], "visits": self.visits[customer]}

    def snapshot(self):
        return json.dumps(self.visits).encode()

    def restore(self, snapshot):
        self.visits = json.loads(snapshot)

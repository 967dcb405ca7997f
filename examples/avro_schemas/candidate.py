"""The candidate: it has forgotten that Finland has a tax of its own."""


def quote(order):
    goods = sum(line["price"] * line["count"] for line in order["lines"])
    return {"country": order["country"], "cost": {"goods": goods, "tax": goods * 0.25}}

"""The demo: the 336,776 flights that left New York in 2013, a production model, and three candidates.

`flights` reads the data and loads the input topic, `model` trains and scores, `production` is the production process,
`candidates` holds the three candidates, and `offline` says without Kafka what the joiner must find.
"""

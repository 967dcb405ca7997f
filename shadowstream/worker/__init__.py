"""A process of its own for the candidate: how it is confined, what crosses the pipe, how its end becomes an outcome."""

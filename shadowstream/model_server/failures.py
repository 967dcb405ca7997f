"""Failures of a request to a model server, by what follows from them."""


class Failed(Exception):
    """The request has no usable answer. A batch is tried one by one; a single record ends as an error of the candidate.

    The message begins with the kind of failure and a colon, which redaction keeps.
    """

    absence = "error"


class Unusable(Failed):
    """The server has answered with something that is no answer to this request."""

    def __init__(self, message: str) -> None:
        super().__init__(f"AnswerUnusable: {message}")


class Refusal(Failed):
    """The server has answered with a status of failure. A server that is not ready, as before its model is loaded, is
    away; otherwise this record has failed."""


class Late(Failed):
    """The server has not answered in time; a single record ends as `timeout`."""

    absence = "timeout"


class Disputed(Failed):
    """The connection was lost, or the status is one of a server that is away, at every try. A server that is ready has
    failed on this record; otherwise it is away."""


class ServerAway(Exception):
    """The server answers nothing at all now: inputs wait until it does."""

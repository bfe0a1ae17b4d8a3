"""What a request is refused with: a code of gRPC, as TF Serving has them, and the HTTP status that goes with it."""

import tensorflow as tf

# Code -> HTTP status. Source: tensorflow/serving, model_servers/http_server.cc.
HTTP_STATUS = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}
_BY_NUMBER = {1: "CANCELLED", 3: "INVALID_ARGUMENT", 8: "RESOURCE_EXHAUSTED", 11: "OUT_OF_RANGE", 12: "UNIMPLEMENTED"}
MOST_CHARACTERS = 500  # of a message: TensorFlow's may hold the whole input


class ServingError(Exception):
    """A request cannot be answered.

    Args: code: a key of HTTP_STATUS. message: for the client. status: of HTTP, where it is not the code's: 408, 413.
    """

    def __init__(self, code, message, *, status=None):
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = HTTP_STATUS[code] if status is None else status


def invalid(message):
    """Returns: ServingError: the client has to mend its request."""
    return ServingError("INVALID_ARGUMENT", message)


def of_exception(error):
    """Args: error: any exception that answering raised. Returns: ServingError."""
    if isinstance(error, ServingError):
        return error
    if isinstance(error, tf.errors.OpError):
        code = _BY_NUMBER.get(error.error_code, "INTERNAL")
        return ServingError(code, cut(error.message or str(error)))
    if isinstance(error, MemoryError):
        return ServingError("RESOURCE_EXHAUSTED", "there is not enough memory for this request; send fewer or shorter texts")
    return ServingError("INTERNAL", cut(f"{type(error).__name__}: {error}"))


def cut(text):
    """A text that may be long, for a message."""
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "..."

"""What the package raises and warns when the fault is not its own."""


class BadInput(ValueError):
    """What was given cannot be used; the message says what must be what, what was found, and what to do.

    The command line prints the message alone and leaves with exit code 2. Any other exception is a fault of this
    package and keeps its traceback.
    """


class NoEffect(UserWarning):
    """Something was asked for and changed nothing."""

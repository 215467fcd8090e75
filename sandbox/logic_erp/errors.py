"""Every way the stand-in says no. Messages are shown as they are."""


class StandInError(Exception):
    """Base of all of them."""


class RequestError(StandInError):
    """A pull that LOGIC would answer with Status false."""


class TillError(StandInError):
    """A bill that cannot be rung up or taken back."""


class StateError(StandInError):
    """The state file cannot be used."""

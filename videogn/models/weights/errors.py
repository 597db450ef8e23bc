"""What is wrong with a weights file, or with what it is asked to fill."""


class WeightsError(ValueError):
    """A weights file that can't be read, is of an unknown kind, or does not fit: what was got, what was expected."""

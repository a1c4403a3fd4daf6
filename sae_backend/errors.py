"""Errors of the backend: each one is a sentence for the user and a hint that leads out."""

from __future__ import annotations


class SparsescopeError(Exception):
    """Base class of every error that is meant to be read by a user.

    Parameters
    ----------
    sentence
        One plain sentence: what is wrong, with the name of the thing concerned.
    hint
        What the user can do now.
    """

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint

    @property
    def kind(self) -> str:
        """Name of the class, the stable key under which messages carry the error."""
        return type(self).__name__

    def __reduce__(self) -> tuple[type[SparsescopeError], tuple[str, str]]:
        return type(self), (self.sentence, self.hint)


class SlideError(SparsescopeError):
    """A slide cannot be opened or has become unreadable."""


class PixelSizeError(SparsescopeError):
    """The pixel size is unknown or makes no sense."""


class NoTissueError(SparsescopeError):
    """No tile of the slide holds enough tissue."""


class MismatchError(SparsescopeError):
    """Two things that do not belong together were combined."""


class WeightsError(SparsescopeError):
    """Model weights are missing, unsafe or of another shape."""


class CellsError(SparsescopeError):
    """A cell file cannot be used."""


class CacheError(SparsescopeError):
    """A derived folder cannot be written or is damaged."""


class WorkerError(SparsescopeError):
    """The worker process failed or died."""


class StoreError(SparsescopeError):
    """The project database cannot be opened or changed."""


class UserInputError(SparsescopeError):
    """An argument of the user's makes no sense."""


class CancelledError(SparsescopeError):
    """The user cancelled the job."""


_KINDS: dict[str, type[SparsescopeError]] = {
    cls.__name__: cls
    for cls in (
        SlideError,
        PixelSizeError,
        NoTissueError,
        MismatchError,
        WeightsError,
        CellsError,
        CacheError,
        WorkerError,
        StoreError,
        UserInputError,
        CancelledError,
    )
}


def error_of(kind: str, sentence: str, hint: str) -> SparsescopeError:
    """Rebuild an error that crossed the process boundary.

    Parameters
    ----------
    kind
        Class name as given by :attr:`SparsescopeError.kind`; an unknown one becomes `WorkerError`.
    sentence, hint
        Its texts.
    """
    return _KINDS.get(kind, WorkerError)(sentence, hint)

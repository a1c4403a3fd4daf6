"""Undo and redo of what people wrote and drew, as long as the project is open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sae_backend.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from desktop_app.controller.annotations.annotations import AnnotationActions
    from desktop_app.controller.context import Context
    from desktop_app.store import AnnotationRecord
    from desktop_app.widgets.shell.commands import State


@dataclass(frozen=True)
class Change:
    """One change of a feature's annotation: the fields that differ, before and after."""

    sae_digest: str
    feature: int
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def turned(self) -> Change:
        """The change that takes this one back."""
        return Change(self.sae_digest, self.feature, self.after, self.before)

    @property
    def words(self) -> str:
        """What was changed."""
        return f"{', '.join(self.after)} of feature {self.feature}"


@dataclass(frozen=True)
class Step:
    """Something that was done: what it was, and how it is taken back and done again (False: refused)."""

    words: str
    back: Callable[[], bool]
    again: Callable[[], bool]


class UndoActions:
    """Takes changes back and makes them again, each as a new entry of the history.

    What somebody else changed in the meantime is never overwritten.
    """

    def __init__(self, context: Context, annotations: AnnotationActions) -> None:
        self._context, self._annotations = context, annotations
        self._done: list[Step] = []
        self._undone: list[Step] = []
        menus = context.menus
        menus.requested("undo").connect(self.undo)
        menus.requested("redo").connect(self.redo)
        context.session.annotation_written.connect(self._written)
        context.session.project_changed.connect(lambda _store: self._forget())
        self._label()

    def add(self, words: str, back: Callable[[], bool], again: Callable[[], bool]) -> None:
        """Note a step that was done."""
        self._done.append(Step(words, back, again))
        self._undone.clear()
        self._label()

    def undo(self) -> None:
        """Take the last step back; one that is refused stays where it is."""
        # What is being typed is a change like any other.
        self._context.save_typed()
        if self._done and self._done[-1].back():
            self._undone.append(self._done.pop())
        self._label()

    def redo(self) -> None:
        """Do the step again that was taken back last."""
        self._context.save_typed()
        if self._undone and self._undone[-1].again():
            self._done.append(self._undone.pop())
        self._label()

    def _apply(self, change: Change) -> bool:
        store, session = self._context.session.store, self._context.session
        if store is None:
            return False

        def write() -> AnnotationRecord:
            known = store.annotations.get(change.sae_digest, change.feature)
            if any(known.content()[field] != value for field, value in change.before.items()):
                raise StoreError(
                    f"The {change.words} was changed again by {known.author or 'somebody'}, so it was not undone.",
                    "The history below the form shows who wrote what.",
                )
            return store.annotations.set(
                change.sae_digest, change.feature, **change.after, expected_revision=known.revision
            )

        note = self._context.attempt(write)
        if note is None:
            return False
        session.annotation_changed.emit(note)
        if session.features is not None and session.features.sae_digest == change.sae_digest:
            session.set_feature(change.feature)
            self._annotations.refresh()
        self._context.show_panel("Annotation")
        return True

    def _written(self, before: AnnotationRecord, after: AnnotationRecord) -> None:
        old, new = before.content(), after.content()
        fields = [field for field in new if new[field] != old[field]]
        if fields:
            change = Change(
                after.sae_digest,
                after.feature,
                {field: old[field] for field in fields},
                {field: new[field] for field in fields},
            )
            self.add(change.words, lambda: self._apply(change.turned), lambda: self._apply(change))

    def _forget(self) -> None:
        self._done.clear()
        self._undone.clear()
        self._label()

    def _label(self) -> None:
        menus = self._context.menus
        states: tuple[tuple[State, str, list[Step]], ...] = (
            ("undo", "Undo", self._done),
            ("redo", "Redo", self._undone),
        )
        for state, text, changes in states:
            menus.set_state(state, bool(changes))
            menus.action(state).setText(f"{text}: {changes[-1].words}" if changes else text)

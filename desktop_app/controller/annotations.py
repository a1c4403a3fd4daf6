"""Annotations: the form of the current feature, saved at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.store import AnnotationRecord


class AnnotationActions:
    """Keeps the form in step with the current feature and saves what was typed.

    What the project refuses (its disk is full, another program writes to it) is kept here, shown
    again with its feature, and saved with the next change that the project takes.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        # The form may be saved after the session went on to another slide or autoencoder.
        self._form_of: tuple[Path, str] | None = None
        self._unsaved: dict[tuple[Path, str, int], dict[str, Any]] = {}
        context.window.annotation.save_requested.connect(self.save)
        context.session.feature_changed.connect(self._show)
        context.session.analysis_changed.connect(self._show)

    def save(self, feature: int, changed: object) -> None:
        """Write the changed fields of one feature of the form's autoencoder in one transaction."""
        if self._form_of is None:
            return
        project, sae = self._form_of
        fields = self._unsaved.setdefault((project, sae, feature), {})
        fields.update(cast("dict[str, Any]", changed))
        written = self._write(project, sae, feature)
        if written:
            self._save_rest()
        self._context.session.saved_changed.emit(not self._unsaved)
        if written:
            if self._form_of == (project, sae) and self._context.window.annotation.feature == feature:
                self._show()
        elif self._context.window.annotation.feature == feature:
            self._context.window.annotation.show_unsaved(fields)

    def close(self) -> None:
        """Save what is being typed and what the project refused before."""
        self._context.window.annotation.flush()
        self._save_rest()

    def _write(self, project: Path, sae: str, feature: int) -> bool:
        store, fields = self._context.session.store, self._unsaved[project, sae, feature]
        if store is None or store.folder != project:
            return False

        def write() -> AnnotationRecord:
            known = store.annotation(sae, feature)
            return store.annotate(sae, feature, **fields, expected_revision=known.revision)

        note = self._context.attempt(write)
        if note is None:
            return False
        del self._unsaved[project, sae, feature]
        self._context.session.annotation_changed.emit(note)
        return True

    def _save_rest(self) -> None:
        store = self._context.session.store
        for key in tuple(self._unsaved):
            if store is None or key[0] != store.folder:
                continue
            # Where one is refused the others would be, each after a wait for the disk.
            if not self._write(*key):
                return

    def _show(self, *_: object) -> None:
        session, panel = self._context.session, self._context.window.annotation
        store, features, feature = session.store, session.features, session.feature
        self._save_rest()
        if features is None or store is None or feature is None:
            panel.say(
                "Features can be named once the slide is analysed."
                if features is None or store is None
                else "Choose a feature to name it."
            )
            self._form_of = None
            return
        sae = features.sae_digest
        found = self._context.attempt(lambda: (store.annotation(sae, feature), store.history(sae, feature)))
        if found is None:
            return
        panel.show_feature(feature, *found)
        self._form_of = (store.folder, sae)
        unsaved = self._unsaved.get((store.folder, sae, feature))
        if unsaved:
            panel.show_unsaved(unsaved)

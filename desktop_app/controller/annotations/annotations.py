"""Annotations: the form of the current feature, saved at once."""

from __future__ import annotations

import contextlib
import tempfile
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from PySide6.QtCore import QStandardPaths

from desktop_app.project import unsaved_drafts

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.store import AnnotationRecord, Store
    from desktop_app.widgets.annotations.annotation import AnnotationPanel


class AnnotationActions:
    """Keeps the form in step with the current feature and saves what was typed.

    What the project refuses (its disk is full, another program writes to it) is kept here, shown
    again with its feature, and saved with the next change that the project takes; what is still refused
    when the window closes goes into a file and is saved when the project is opened again.
    """

    def __init__(self, context: Context, panel: AnnotationPanel) -> None:
        self._context, self._panel = context, panel
        # The form may be saved after the session went on to another slide or autoencoder.
        self._form_of: tuple[Path, str] | None = None
        self._unsaved: dict[tuple[Path, str, int], dict[str, Any]] = {}
        self._revisions: dict[tuple[Path, str, int], int] = {}
        self._looked_in: Store | None = None
        # With the first slide: what is said before it opens would be taken away again.
        context.session.slide_changed.connect(lambda _slide: self._take_drafts())
        panel.save_requested.connect(self.save)
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
            if self._form_of == (project, sae) and self._panel.feature == feature:
                self._show()
        elif self._panel.feature == feature:
            self._panel.show_unsaved(fields)

    @property
    def has_unsaved(self) -> bool:
        """Whether the project refused something that is kept here."""
        return bool(self._unsaved)

    def close(self) -> None:
        """Save what is being typed and what the project refused before, if need be into a file."""
        self._context.save_typed()
        self._save_rest()
        for project, keys in groupby(sorted(self._unsaved), key=lambda key: key[0]):
            entries = [
                unsaved_drafts.UnsavedDraft(
                    str(project.absolute()), sae, feature, self._revisions.get((project, sae, feature), 0),
                    self._unsaved[project, sae, feature],
                )
                for _, sae, feature in keys
            ]  # fmt: skip
            unsaved_drafts.keep(entries, _draft_folders(project))

    def _take_drafts(self) -> None:
        """Save what an earlier window could not, where nobody has changed it since."""
        store = self._context.session.store
        if store is None or store is self._looked_in:
            return
        self._looked_in = store
        for path, entries in unsaved_drafts.find(store.folder, _draft_folders(store.folder)).items():
            saved = [self._context.attempt(partial(_save_draft, store, entry)) for entry in entries]
            for entry in entries:
                note = self._context.attempt(partial(store.annotations.get, entry.sae_digest, entry.feature))
                if note is not None:
                    self._context.session.annotation_changed.emit(note)
            self.refresh()
            if all(saved):
                with contextlib.suppress(OSError):
                    # Left there, it is the same text and is saved again without harm.
                    path.unlink()
                self._context.say("Text that could not be saved when the window closed has now been saved.")
            elif None not in saved:
                self._context.say(
                    "Features were changed by somebody else after your text could not be saved. "
                    f"Your text is in {path}.",
                    error=True,
                )

    def refresh(self) -> None:
        """Read the current feature's annotation anew."""
        self._show()

    def _write(self, project: Path, sae: str, feature: int) -> bool:
        store, fields = self._context.session.store, self._unsaved[project, sae, feature]
        if store is None or store.folder != project:
            return False

        def write() -> tuple[AnnotationRecord, AnnotationRecord]:
            known = store.annotations.get(sae, feature)
            given = dict(fields)
            if known.status == "unseen" and any(fields.values()):
                # Whoever writes about a feature has seen it.
                given.setdefault("status", "draft")
            return known, store.annotations.set(sae, feature, **given, expected_revision=known.revision)

        written = self._context.attempt(write)
        if written is None:
            return False
        before, note = written
        del self._unsaved[project, sae, feature]
        self._context.session.annotation_changed.emit(note)
        self._context.session.annotation_written.emit(before, note)
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
        session, panel = self._context.session, self._panel
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
        found = self._context.attempt(
            lambda: (store.annotations.get(sae, feature), store.annotations.history(sae, feature))
        )
        if found is None:
            return
        self._revisions[store.folder, sae, feature] = found[0].revision
        panel.show_feature(feature, *found)
        self._form_of = (store.folder, sae)
        unsaved = self._unsaved.get((store.folder, sae, feature))
        if unsaved:
            panel.show_unsaved(unsaved)


def _draft_folders(project: Path) -> tuple[Path, ...]:
    home = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)
    return (project, Path(home) / "sparsescope", Path(tempfile.gettempdir()))


def _save_draft(store: Store, entry: unsaved_drafts.UnsavedDraft) -> bool:
    """Write an entry; False where the feature was changed since."""
    known = store.annotations.get(entry.sae_digest, entry.feature)
    same = all(known.content().get(field) == _plain(value) for field, value in entry.fields.items())
    if known.revision != entry.revision and not same:
        return False
    store.annotations.set(entry.sae_digest, entry.feature, **entry.fields, expected_revision=known.revision)
    return True


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value

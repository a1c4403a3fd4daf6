"""A colleague's annotations: added where there are none, chosen field by field where both wrote something."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.export import annotations as annotation_exchange
from desktop_app.export import feature_jsonl

if TYPE_CHECKING:
    from desktop_app.controller.annotations.annotations import AnnotationActions
    from desktop_app.controller.annotations.comments import CommentActions
    from desktop_app.controller.context import Context
    from desktop_app.controller.features.features import FeatureActions
    from desktop_app.store import AnnotationConflict, Store


class MergeActions:
    """Imports annotations; nothing of this project is overwritten unless the user takes the other text."""

    def __init__(
        self,
        context: Context,
        features: FeatureActions,
        annotations: AnnotationActions,
        comments: CommentActions,
    ) -> None:
        self._context = context
        self._features, self._annotations, self._comments = features, annotations, comments
        context.menus.requested("import_annotations").connect(self.ask)

    def ask(self) -> None:
        """Ask for a file and import it."""
        if self._context.session.store is None:
            self._context.say("Open a project first.")
            return
        path = self._context.dialogs.open_file("Import annotations", "Annotations (*.json *.jsonl)")
        if path is not None:
            self.import_file(path)

    def import_file(self, path: Path) -> None:
        """Import annotations, then ask about those that both sides have."""
        store = self._context.session.store
        if store is None:
            self._context.say("Annotations go into a project. Open one first.")
            return
        self._context.save_typed()
        lines = path.suffix.lower() == ".jsonl"
        read = feature_jsonl.import_jsonl if lines else annotation_exchange.import_json
        report = self._context.attempt(lambda: read(store, path))
        if report is None:
            return
        parts = [f"{report.added} annotations added, {report.unchanged} already there."]
        if report.comments_added or report.examples_added:
            parts.append(f"{report.comments_added} comments and {report.examples_added} examples added.")
        if report.listed:
            parts.append(f"{report.listed} features added to lists.")
        if report.conflicts:
            taken = self._resolve(store, report.conflicts)
            left = len(report.conflicts) - taken
            if taken:
                parts.append(
                    f"From {taken} of those that differ, texts of the file were taken (Undo gives yours back)."
                )
            if left:
                parts.append(f"{left} differ from this project's and were left alone.")
        self._features.fill_table()
        self._annotations.refresh()
        self._comments.refresh()
        self._context.say(" ".join(parts))

    def _resolve(self, store: Store, conflicts: list[AnnotationConflict]) -> int:
        """Ask about texts that differ and write what is taken; returns how many features that were."""
        session = self._context.session
        taken = 0
        for conflict, fields in self._context.dialogs.resolve(conflicts) or ():
            mine, theirs = conflict.mine, conflict.theirs.content()
            changes = {field: theirs[field] for field in fields}
            # Somebody may have written while the dialog was open: then the revision refuses it.
            written = self._context.attempt(
                lambda mine=mine, changes=changes: store.annotations.set(  # type: ignore[misc]
                    mine.sae_digest, mine.feature, **changes, expected_revision=mine.revision
                )
            )
            if written is not None:
                taken += 1
                session.annotation_written.emit(mine, written)
        return taken

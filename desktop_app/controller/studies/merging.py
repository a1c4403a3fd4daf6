"""What a study of geometry leads to: one concept for features that mean the same, and names for clusters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from desktop_app.project import vocabulary
from desktop_app.project.studies.cluster_names import TABLES, cluster_key

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.project.studies.read import StudyView
    from desktop_app.store import AnnotationRecord, Store
    from desktop_app.widgets.studies.studies import StudiesPanel

_GROUPS: Final = "merge"


class StudyMerging:
    """Asks for words and writes them; `view` gives the study that is shown, `changed` is told of a new name."""

    def __init__(
        self,
        context: Context,
        panel: StudiesPanel,
        view: Callable[[], StudyView | None],
        changed: Callable[[], None],
    ) -> None:
        self._context, self._view, self._changed = context, view, changed
        self._panel = panel
        panel.merge_requested.connect(self.merge)
        panel.name_cluster_requested.connect(self.name)

    def merge(self) -> None:
        """Give the features of the chosen group one concept; every one keeps its number, name and history."""
        store, view, result = self._context.session.store, self._view(), self._panel.result
        if store is None or view is None:
            return
        table, row = result.shown_table, result.table.chosen_row
        if table is None or table.key != _GROUPS or row is None:
            if _GROUPS in result.table_keys:
                result.choose_table(_GROUPS)
            self._context.say("Choose a group of features in this table first.")
            return
        features = [int(part) for part in str(table.columns["features"][row]).split(",")]
        digest = view.record.sae_digest
        known = [note for note in store.annotations.all(digest) if note.feature in features]
        offered = [note.concept for note in known if note.concept]
        offered += [concept for concept in vocabulary.of_project(store).concepts if concept not in offered]
        concept = self._context.dialogs.choose_or_type(
            "One concept for several features",
            f"Concept of the features {', '.join(map(str, features))}",
            offered,
        )
        if concept is None or not concept.strip():
            return
        written = self._context.attempt(lambda: _write(store, digest, features, concept.strip()))
        for before, after in written or ():
            self._context.session.annotation_changed.emit(after)
            self._context.session.annotation_written.emit(before, after)
        if written is not None:
            self._context.say(
                f"{len(features)} features now have the concept “{concept.strip()}”; each keeps its number, name and "
                "history."
            )

    def name(self) -> None:
        """Name the chosen cluster."""
        store, view, result = self._context.session.store, self._view(), self._panel.result
        if store is None or view is None:
            return
        table, row = result.shown_table, result.table.chosen_row
        if table is None or not table.key.startswith(TABLES) or row is None:
            first = next((key for key in result.table_keys if key.startswith(TABLES)), None)
            if first is not None:
                result.choose_table(first)
            self._context.say("Choose a cluster in this table first.")
            return
        key = cluster_key(table, row)
        known = store.studies.cluster_names(view.record.id).get(key, "")
        name = self._context.dialogs.text(
            "Name a cluster", f"Name of cluster {table.columns['cluster'][row]}", known
        )
        if name is not None and self._context.succeeds(
            lambda: store.studies.name_cluster(view.record.id, key, name)
        ):
            self._changed()


def _write(
    store: Store, digest: str, features: list[int], concept: str
) -> list[tuple[AnnotationRecord, AnnotationRecord]]:
    """Set the concept of every feature that has another; what each was before, and is now."""
    wider = vocabulary.of_project(store).with_concept(concept)
    vocabulary.keep(store, wider)
    wanted = concept if concept in wider.concepts else f"other{vocabulary.SEPARATOR}{concept}"
    found = []
    for feature in features:
        before = store.annotations.get(digest, feature)
        if before.concept != wanted:
            after = store.annotations.set(digest, feature, concept=wanted, expected_revision=before.revision)
            found.append((before, after))
    return found

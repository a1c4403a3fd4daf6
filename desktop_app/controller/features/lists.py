"""Bookmarks and named lists of features."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from desktop_app.store.records.records import BOOKMARKS

if TYPE_CHECKING:
    from PySide6.QtWidgets import QAbstractButton

    from desktop_app.controller.context import Context
    from desktop_app.widgets.features.features import FeaturesPanel


class ListActions:
    """Keeps the lists in the project, and the filters of the table in step with them."""

    def __init__(self, context: Context, panel: FeaturesPanel, bookmark: QAbstractButton) -> None:
        self._context, self._panel, self._bookmark = context, panel, bookmark
        panel.bookmark_requested.connect(self._bookmark_other)
        panel.list_requested.connect(self.add)
        panel.unlist_requested.connect(self._unlist)
        panel.list_deleted.connect(self._delete_list)

    def refresh(self) -> None:
        """Show bookmarks and lists as the project has them."""
        session, panel = self._context.session, self._panel
        store, features = session.store, session.features
        if store is None or features is None:
            return
        lists = self._context.attempt(lambda: store.lists.of_sae(features.sae_digest))
        if lists is None:
            return
        members = {known.name: frozenset(ref.index for ref in known.features) for known in lists}
        panel.model.set_bookmarks(set(members.pop(BOOKMARKS, frozenset())))
        panel.show_lists(members)

    def add(self, numbers: object) -> None:
        """Ask for a list and put features into it."""
        session = self._context.session
        store, features = session.store, session.features
        if store is None or features is None:
            return
        chosen = cast("list[int]", numbers)
        what = f"feature {chosen[0]}" if len(chosen) == 1 else f"{len(chosen):,} features"
        lists = [known.name for known in store.lists.of_sae(features.sae_digest) if known.name != BOOKMARKS]
        name = self._context.dialogs.choose_or_type("Lists", f"Add {what} into the list", lists)
        if name and self._context.succeeds(lambda: store.lists.add(name, features.sae_digest, chosen)):
            self.refresh()

    def _unlist(self, name: str, feature: int) -> None:
        session = self._context.session
        store, features = session.store, session.features
        if store is not None and features is not None:
            self._context.attempt(lambda: store.lists.remove(name, features.sae_digest, [feature]))
            self.refresh()

    def _delete_list(self, name: str) -> None:
        store = self._context.session.store
        if store is not None:
            self._context.attempt(lambda: store.lists.delete(name))
            self.refresh()

    def _bookmark_other(self, feature: int) -> None:
        self._context.session.set_feature(feature)
        self._bookmark.toggle()

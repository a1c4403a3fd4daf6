"""Annotations: the form of the current feature, saved at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from desktop_app.controller.context import Context


class AnnotationActions:
    """Keeps the form in step with the current feature and saves what was typed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        context.window.annotation.save_requested.connect(self.save)
        context.session.feature_changed.connect(self._show)
        context.session.analysis_changed.connect(self._show)

    def save(self, feature: int, changed: object) -> None:
        """Write the changed fields of one feature in one transaction."""
        session = self._context.session
        if session.store is None or session.features is None:
            return
        store, sae = session.store, session.features.sae_digest
        fields = cast("dict[str, Any]", changed)
        known = store.annotation(sae, feature)
        revision = known.revision if known is not None else None
        note = self._context.attempt(
            lambda: store.annotate(sae, feature, **fields, expected_revision=revision)
        )
        if note is not None:
            session.annotation_changed.emit(note)
            if self._context.window.annotation.feature == feature:
                self._show()

    def _show(self, *_: object) -> None:
        session, panel = self._context.session, self._context.window.annotation
        if session.features is None or session.store is None:
            panel.say("Features can be named once the slide is analysed.")
        elif session.feature is None:
            panel.say("Choose a feature to name it.")
        else:
            sae, feature = session.features.sae_digest, session.feature
            panel.show_feature(
                feature, session.store.annotation(sae, feature), session.store.history(sae, feature)
            )

"""Which feature was looked at last, so that a project opens where it was left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from desktop_app.tasks import Pause

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.store import Store
    from sae_backend.activations.feature_matrix import FeatureMatrix

LAST_FEATURE: Final = "last_feature"
_REST_MS: Final = 400


class LastFeature:
    """Written when the steps rest: a write waits for the disk, and a step from feature to feature must not."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._pending: tuple[Store, str, int] | None = None
        self._pause = Pause(_REST_MS)
        self._pause.over.connect(self.write)
        # The project is still open when its slide is closed with it.
        context.session.slide_changed.connect(lambda _slide: self.write())

    def known(self, store: Store, features: FeatureMatrix) -> int | None:
        """The feature that was looked at last with this autoencoder, where there is one."""
        last = store.setting(_key(features))
        if last is None or not last.isdigit() or int(last) >= features.n_features:
            return None
        return int(last)

    def note(self, store: Store, features: FeatureMatrix, feature: int) -> None:
        """Remember a feature, soon."""
        self._pending = store, _key(features), feature
        self._pause.restart()

    def write(self) -> None:
        """Write what is to be remembered, if there is anything."""
        self._pause.stop()
        pending, self._pending = self._pending, None
        if pending is not None:
            store, key, feature = pending
            self._context.attempt(lambda: store.set_setting(key, str(feature)))


def _key(features: FeatureMatrix) -> str:
    # A number means the same feature within one autoencoder only.
    return f"{LAST_FEATURE}.{features.sae_digest}"

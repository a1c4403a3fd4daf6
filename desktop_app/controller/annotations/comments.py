"""What hangs on the current feature: comments, examples, bookmark, its terms, and who says it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from desktop_app.project import vocabulary
from desktop_app.widgets.controls.time_format import when
from sae_backend.errors import UserInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from desktop_app.controller.annotations.annotations import AnnotationActions
    from desktop_app.controller.context import Context
    from desktop_app.controller.features.features import FeatureActions
    from desktop_app.controller.project.projects import ProjectActions
    from desktop_app.controller.undo import UndoActions
    from desktop_app.store import ExampleRecord, Store
    from desktop_app.widgets.annotations.annotation import AnnotationPanel


@dataclass(frozen=True)
class Others:
    """The themes that comments work with."""

    projects: ProjectActions
    features: FeatureActions
    annotations: AnnotationActions
    undo: UndoActions


class CommentActions:
    """Answers the lists below the form; each step can be undone."""

    def __init__(self, context: Context, panel: AnnotationPanel, others: Others) -> None:
        self._context, self._panel = context, panel
        self._projects, self._features = others.projects, others.features
        self._annotations, self._undo = others.annotations, others.undo
        session, menus = context.session, context.menus
        tabs = panel.comment_tabs
        tabs.comment_requested.connect(self.comment)
        tabs.comment_withdrawn.connect(self.withdraw_comment)
        tabs.example_requested.connect(lambda: self.add_example(session.tile))
        tabs.example_shown.connect(self.show_example)
        tabs.example_withdrawn.connect(self.withdraw_example)
        tabs.restore_requested.connect(self.restore)
        panel.bookmark_toggled.connect(self.bookmark)
        panel.term_requested.connect(self.add_term)
        panel.author_given.connect(self.sign)
        menus.requested("bookmark").connect(panel.bookmark.toggle)
        menus.requested("example").connect(lambda: self.add_example(session.tile))
        menus.requested("vocabulary").connect(self.edit_vocabulary)
        session.project_changed.connect(self._project_changed)
        session.feature_changed.connect(self.refresh)
        session.analysis_changed.connect(self.refresh)

    def refresh(self, *_: object) -> None:
        """Show what hangs on the current feature."""
        known = self._known()
        if known is None:
            return
        store, sae, feature = known
        panel = self._panel

        def show() -> None:
            panel.comment_tabs.show_comments(store.comments.all(sae, feature))
            panel.comment_tabs.show_examples(
                [(example.uid, _words(store, example)) for example in store.examples.all(sae, feature)]
            )
            panel.show_bookmark(feature in store.lists.bookmarks(sae))

        self._context.attempt(show)

    def comment(self, text: str) -> None:
        """Keep a comment on the current feature."""
        known = self._known()
        if known is None:
            return
        store, sae, feature = known
        record = self._context.attempt(lambda: store.comments.add(sae, feature, text))
        if record is None:
            # It stays in its field: nothing that was typed is lost.
            return
        self._panel.comment_tabs.words.clear()
        self._done(
            f"comment on feature {feature}",
            partial(store.comments.withdraw, record.uid),
            partial(store.comments.withdraw, record.uid, withdrawn=False),
        )

    def withdraw_comment(self, uid: str) -> None:
        """Take a comment of one's own back."""
        known = self._known()
        if known is None:
            return
        store, sae, feature = known

        def withdraw() -> None:
            said = next((c for c in store.comments.all(sae, feature) if c.uid == uid), None)
            if said is not None and said.author != store.author:
                raise UserInputError(
                    f"This comment is by {said.author}.",
                    "Only its author can withdraw it; reply with a comment of your own.",
                )
            store.comments.withdraw(uid)

        if self._context.succeeds(withdraw):
            self._done(
                f"withdrawn comment on feature {feature}",
                partial(store.comments.withdraw, uid, withdrawn=False),
                partial(store.comments.withdraw, uid),
            )

    def add_example(self, tile: int) -> None:
        """Mark a tile of the open slide as an example of the current feature."""
        known, session = self._known(), self._context.session
        if known is None or session.features is None or session.slide is None:
            return
        if tile < 0:
            self._context.say("Select a tile first: click on the slide, or on one of the examples.")
            return
        grid = session.features.grid
        y, x = (float(value) for value in grid.origins_l0()[tile])
        self.add_place((y, x, grid.tile_l0, grid.tile_l0))

    def add_place(self, box_l0: tuple[float, float, float, float], region_uid: str = "") -> None:
        """Mark a box (y, x, height, width) of the open slide, or the region in it, as an example."""
        known, slide = self._known(), self._context.session.slide
        if known is None or slide is None:
            return
        store, sae, feature = known
        fingerprint = slide.info.fingerprint
        record = self._context.attempt(
            lambda: store.examples.add(sae, feature, fingerprint, box_l0, region_uid)
        )
        if record is not None:
            self._done(
                f"example of feature {feature}",
                partial(store.examples.withdraw, record.uid),
                partial(store.examples.withdraw, record.uid, withdrawn=False),
            )

    def withdraw_example(self, uid: str) -> None:
        """Take an example out."""
        known = self._known()
        if known is None:
            return
        store, _, feature = known
        if self._context.succeeds(lambda: store.examples.withdraw(uid)):
            self._done(
                f"removed example of feature {feature}",
                partial(store.examples.withdraw, uid, withdrawn=False),
                partial(store.examples.withdraw, uid),
            )

    def show_example(self, uid: str) -> None:
        """Go to an example, on the open slide or after opening its own."""
        known, session = self._known(), self._context.session
        if known is None:
            return
        store, sae, feature = known
        example = next((e for e in store.examples.all(sae, feature) if e.uid == uid), None)
        if example is None:
            return
        if session.slide is None or session.slide.info.fingerprint != example.slide_fingerprint:
            record = store.slides.by_fingerprint(example.slide_fingerprint)
            if record is None:
                self._context.say(
                    "The slide of this example is not in the project. File > Open slide adds it."
                )
                return
            self._projects.open_record(record.id)
        self._features.go_to_box(example.y_l0, example.x_l0, example.height_l0, example.width_l0)

    def bookmark(self, on: bool) -> None:
        """Put the current feature on the bookmarks, or take it from them."""
        known = self._known()
        if known is None:
            return
        store, sae, feature = known
        if self._context.succeeds(lambda: store.lists.set_bookmark(sae, feature, on=on)):
            self._done(
                f"bookmark of feature {feature}",
                partial(store.lists.set_bookmark, sae, feature, on=not on),
                partial(store.lists.set_bookmark, sae, feature, on=on),
            )
        else:
            self._panel.show_bookmark(not on)

    def restore(self, revision: int) -> None:
        """Give the current feature the content that it had after a revision."""
        known, session = self._known(), self._context.session
        if known is None:
            return
        store, sae, feature = known
        self._context.save_typed()
        written = self._context.attempt(
            lambda: (store.annotations.get(sae, feature), store.annotations.restore(sae, feature, revision))
        )
        if written is not None:
            session.annotation_changed.emit(written[1])
            session.annotation_written.emit(*written)
            self._annotations.refresh()

    def sign(self, author: str) -> None:
        """Write under this name from now on, in this project and others."""
        self._context.preferences.change(author=author)
        if self._context.session.store is not None:
            self._context.session.store.author = author
        self._panel.ask_author("")

    def add_term(self) -> None:
        """Ask for a term, put it into the project's vocabulary and choose it."""
        store, panel = self._context.session.store, self._panel
        if store is None:
            return
        text = self._context.dialogs.text(
            "Add a term", "Family: term, for example stroma: keloid collagen", ""
        )
        if not text:
            return

        def add() -> str:
            wider = vocabulary.of_project(store).with_concept(text)
            vocabulary.keep(store, wider)
            panel.concept.show_vocabulary(wider.families)
            family, _, term = (text if ":" in text else f"other: {text}").partition(":")
            return f"{family.strip().casefold()}: {' '.join(term.split())}"

        concept = self._context.attempt(add)
        if concept is not None:
            panel.concept.set_value(concept)

    def edit_vocabulary(self) -> None:
        """Let the user edit the project's terms, one a line."""
        store = self._context.session.store
        if store is None:
            self._context.say("The vocabulary belongs to a project. Open one first.")
            return
        known = self._context.attempt(lambda: vocabulary.of_project(store))
        if known is None:
            return
        text = self._context.dialogs.lines(
            "Vocabulary of this project", "One term per line, as family: term.", "\n".join(known.concepts)
        )
        if text is None:
            return

        def keep() -> None:
            edited = vocabulary.from_lines(text)
            vocabulary.keep(store, edited)
            self._panel.concept.show_vocabulary(edited.families)

        self._context.attempt(keep)

    def _project_changed(self, store: Store | None) -> None:
        if store is None:
            return
        panel, author = self._panel, self._context.preferences.current.author
        known = self._context.attempt(lambda: vocabulary.of_project(store))
        panel.concept.show_vocabulary((known or vocabulary.shipped()).families)
        if author:
            store.author = author
        panel.ask_author("" if author else store.author)

    def _known(self) -> tuple[Store, str, int] | None:
        session = self._context.session
        if session.store is None or session.features is None or session.feature is None:
            return None
        return session.store, session.features.sae_digest, session.feature

    def _done(self, words: str, back: Callable[[], object], again: Callable[[], object]) -> None:
        self._undo.add(words, self._step(back), self._step(again))
        self._changed()

    def _step(self, act: Callable[[], object]) -> Callable[[], bool]:
        def take() -> bool:
            done = self._context.succeeds(act)
            self._changed()
            return done

        return take

    def _changed(self) -> None:
        self.refresh()
        self._features.lists.refresh()
        if not self._annotations.has_unsaved:
            self._context.session.saved_changed.emit(True)


def _words(store: Store, example: ExampleRecord) -> str:
    slide = store.slides.by_fingerprint(example.slide_fingerprint)
    where = slide.name if slide is not None else "a slide that is not in this project"
    mpp = slide.mpp if slide is not None else None
    place = f"x {example.x_l0 * mpp:,.0f}, y {example.y_l0 * mpp:,.0f} µm" if mpp is not None else ""
    if example.region_uid:
        named = next((r.name for r in store.regions.all(withdrawn=True) if r.uid == example.region_uid), "")
        place = f"region {named or 'without a name'}, {place}"
    return f"{where}  {place}\nchosen by {example.author or 'somebody'}, {when(example.at)}"

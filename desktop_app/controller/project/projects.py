"""Projects and slides: make, open, add, pixel size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from PySide6.QtCore import QTimer

from desktop_app.project import analysis_jobs as jobs
from desktop_app.store import Store
from desktop_app.tasks import LatestTask
from sae_backend.slides.slide import SLIDE_ENDINGS, Slide
from sae_backend.slides.tissue import TissueMask, find_tissue
from sae_backend.statistics.number_text import number_text

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.store import SlideRecord
    from desktop_app.widgets.shell.start_page import StartPage
    from desktop_app.widgets.slide.slides import SlidesPanel

SLIDE_KINDS: Final = (
    f"Slides and images ({' '.join(f'*{ending}' for ending in SLIDE_ENDINGS)});;All files (*)"
)
LAST_SLIDE: Final = "last_slide"


class Frame(Protocol):
    """The window around the panels."""

    def show_start_page(self) -> None:
        """Show the ways in, in place of the slide."""

    def show_canvas(self) -> None:
        """Show the slide, in place of the ways in, and the panels about it."""

    def set_title(self, *parts: str) -> None:
        """Name what is open in the title bar."""


class ProjectActions:
    """Opens projects and slides and shows them."""

    def __init__(self, context: Context, start_page: StartPage, panel: SlidesPanel, frame: Frame) -> None:
        self._context, self._panel, self._frame = context, panel, frame
        self._tissue = LatestTask()
        self._tissue.answered.connect(self._show_tissue)
        self._tissue.failed.connect(context.show_error)
        # Said after the drawing in which it happened: a banner must not resize the canvas meanwhile.
        context.layers.on_read_error = lambda error: QTimer.singleShot(0, lambda: context.show_error(error))
        session = context.session
        start_page.open_slide_requested.connect(self.ask_slide)
        start_page.open_project_requested.connect(self.ask_project)
        start_page.new_project_requested.connect(self.ask_new_project)
        panel.add_requested.connect(self.ask_slide)
        panel.slide_requested.connect(self.open_record)
        menus = context.menus
        menus.requested("open_slide").connect(self.ask_slide)
        menus.requested("open_project").connect(self.ask_project)
        menus.requested("new_project").connect(self.ask_new_project)
        menus.requested("pixel_size").connect(self.ask_pixel_size)
        menus.requested("tissue").connect(self.toggle_tissue)
        session.project_changed.connect(self._project_changed)
        session.slide_changed.connect(self._slide_changed)

    def ask_slide(self) -> None:
        """Ask for a slide and open it."""
        path = self._context.dialogs.open_file("Open a slide", SLIDE_KINDS)
        if path is not None:
            self.open_slide(path)

    def ask_project(self) -> None:
        """Ask for a project folder and open it."""
        folder = self._context.dialogs.folder("Open a project folder")
        if folder is not None:
            self.open_project(folder)

    def ask_new_project(self) -> bool:
        """Ask for a folder for a new project; an open slide goes into it. False where none was made."""
        folder = self._context.dialogs.folder("Choose an empty folder for the project")
        if folder is None:
            return False
        store = self._context.attempt(lambda: Store.create(folder))
        if store is None:
            return False
        session = self._context.session
        known = session.slide.info if session.slide is not None and session.store is None else None
        self._context.preferences.opened(store.folder)
        session.set_project(store)
        if known is not None:
            self.open_slide(known.path, known.mpp if known.mpp_source == "user" else None)
        return True

    def open_project(self, folder: Path) -> bool:
        """Open a project and the slide that was open in it last."""
        store = self._context.attempt(lambda: Store.open(folder))
        if store is None:
            return False
        self._context.preferences.opened(store.folder)
        self._context.session.set_project(store)
        slides = store.slides.all()
        last = store.settings.get(LAST_SLIDE)
        record = next((s for s in slides if str(s.id) == last), slides[0] if slides else None)
        if record is not None:
            self.open_record(record.id)
        return True

    def open_record(self, slide_id: int) -> None:
        """Open a slide of the project."""
        store = self._context.session.store
        if store is not None:
            self._context.attempt(lambda: self._open(lambda: jobs.open_slide(store.slides.get(slide_id))))

    def open_slide(self, path: Path, mpp: float | None = None) -> None:
        """Open a file; in a project it becomes one of its slides."""
        self._context.attempt(lambda: self._open(lambda: Slide.open(path.absolute(), mpp)))

    def _open(self, opener: Callable[[], Slide]) -> None:
        slide = opener()
        session = self._context.session
        record = None
        if session.store is not None:
            record = session.store.slides.add(slide.info)
            if record.mpp is not None and record.mpp_source == "user":
                slide.info = slide.info.with_mpp(record.mpp)
        if slide.info.mpp is None:
            mpp = self._context.dialogs.pixel_size(slide.info.path.name, None)
            if mpp is not None:
                slide.info = slide.info.with_mpp(mpp)
                if session.store is not None:
                    record = session.store.slides.add(slide.info)
        self._context.say("")
        session.set_slide(slide, record)
        if session.store is not None and record is not None:
            session.store.settings.set(LAST_SLIDE, str(record.id))
        if slide.info.mpp is None:
            self._context.say(
                "The pixel size of this slide is not known, so it cannot be analysed. Slide > Pixel size states it."
            )

    def ask_pixel_size(self) -> None:
        """Ask for the pixel size of the open slide and show it anew."""
        session = self._context.session
        if session.slide is None:
            self._context.say("Open a slide first.")
            return
        info = session.slide.info
        mpp = self._context.dialogs.pixel_size(info.path.name, info.mpp)
        if mpp is not None and mpp != info.mpp:
            self.open_slide(info.path, mpp)

    def ensure_project(self, what: str = "Results") -> bool:
        """Make sure that there is a project to save `what` into, asking for a folder where there is none."""
        if self._context.session.store is not None:
            return True
        self._context.say(f"{what} need a project: choose a folder for it.")
        return self.ask_new_project()

    def measured_slide(self) -> Slide | None:
        """Give the open slide once its pixel size is known and there is a project; asks for either where it lacks."""
        session = self._context.session
        if session.slide is None:
            self._context.say("Open a slide first.")
            return None
        if session.slide.info.mpp is None:
            self.ask_pixel_size()
            if session.slide is None or session.slide.info.mpp is None:
                return None
        return session.slide if self.ensure_project() else None

    def toggle_tissue(self, visible: bool) -> None:
        """Show or hide the outline of the tissue; it is found beside the window."""
        slide = self._context.session.slide
        if not visible:
            self._tissue.forget()
            self._context.layers.remove("Tissue outline")
        elif slide is not None:
            info = slide.info

            def find() -> TissueMask:
                # Its own handle: the window may close its one meanwhile.
                with Slide.open(info.path, info.mpp) as own:
                    return find_tissue(own)

            self._tissue.ask(find)

    def close(self) -> None:
        """End the read that may be under way."""
        self._tissue.close()

    def _show_tissue(self, tissue: object) -> None:
        assert isinstance(tissue, TissueMask)
        if not tissue.outlines_l0:
            self._context.say("No tissue was found on this slide.")
        self._context.layers.show_tissue(tissue.outlines_l0)

    def _project_changed(self, store: Store | None) -> None:
        del store
        self._refresh_list()

    def _slide_changed(self, slide: Slide | None) -> None:
        context = self._context
        self._tissue.forget()
        if slide is None:
            context.layers.clear()
            self._frame.show_start_page()
        else:
            context.layers.show_slide(slide, slide.info.mpp)
            self._frame.show_canvas()
            context.canvas.fit()
            if context.menus.action("tissue").isChecked():
                self.toggle_tissue(True)
        self._refresh_list()

    def _refresh_list(self) -> None:
        context = self._context
        session = context.session
        records: list[SlideRecord] = list(session.store.slides.all()) if session.store is not None else []
        current = session.slide_record.id if session.slide_record is not None else None
        self._panel.show_slides(records, current, has_project=session.store is not None)
        slide = session.slide
        self._frame.set_title(
            slide.info.path.name if slide is not None else "",
            session.store.folder.name if session.store is not None else "",
        )
        if slide is None:
            self._panel.show_summary("")
        else:
            mpp = (
                f"{number_text(slide.info.mpp, 4)} µm/px"
                if slide.info.mpp is not None
                else "pixel size unknown"
            )
            where = "" if session.store is not None else " Not in a project: nothing is saved."
            self._panel.show_summary(f"{slide.info.path.name}, {mpp}.{where}")

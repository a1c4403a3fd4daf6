"""Two cameras move together to the last bit, and apart when they are let go."""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel

from desktop_app.canvas.camera_link import CameraLink, settle_camera


def place(viewer: ViewerModel) -> tuple[float, ...]:
    camera = viewer.scene.camera
    return (*camera.center, camera.zoom)


def test_after_a_thousand_moves_of_either_both_are_in_the_same_place() -> None:
    first, second = ViewerModel(), ViewerModel()
    first.scene.camera.center = (0.0, 100.0, 200.0)
    link = CameraLink(first, second)
    link.set_on(True)
    assert place(second) == place(first)
    rng = np.random.default_rng(3)
    for _ in range(1000):
        leader = (first, second)[rng.integers(2)]
        camera = leader.scene.camera
        if rng.random() < 0.5:
            moved = (0.0, float(rng.random() * 60000), float(rng.random() * 60000))
            camera.center = moved
            assert tuple(camera.center) == moved
        else:
            camera.zoom = float(np.exp(rng.normal()))
        assert place(first) == place(second)


def test_what_is_quiet_or_let_go_moves_nothing() -> None:
    first, second = ViewerModel(), ViewerModel()
    link = CameraLink(first, second)
    link.set_on(True)
    with link.quiet():
        second.scene.camera.center = (0.0, 7.0, 7.0)
    assert tuple(first.scene.camera.center)[-2:] != (7.0, 7.0)
    link.follow(0)
    assert place(second) == place(first)
    link.set_on(False)
    first.scene.camera.zoom = 9.0
    assert second.scene.camera.zoom != 9.0


def test_a_drag_of_a_few_px_far_out_on_the_slide_is_taken_over() -> None:
    viewer = ViewerModel()
    viewer.scene.camera.center = (0.0, 50000.0, 50000.0)
    viewer.scene.camera.zoom = 4.0
    settle_camera(viewer, (50000.25, 49999.9))
    assert tuple(viewer.scene.camera.center) == (0.0, 50000.25, 49999.9)
    # Rounding is not a move: it would go back and forth between two views for ever.
    settle_camera(viewer, (50000.25 + 1e-9, 49999.9))
    assert tuple(viewer.scene.camera.center) == (0.0, 50000.25, 49999.9)

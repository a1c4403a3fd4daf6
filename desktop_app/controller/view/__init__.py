"""The slide on the canvas: reading, rotation, overlays, second view."""

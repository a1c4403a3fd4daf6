"""The scoreboard of the bundled models."""

"""The napari layers that the program owns, and how they are read and coloured."""

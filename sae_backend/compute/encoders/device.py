"""Which device the models run on."""

from __future__ import annotations

import torch

from sae_backend.errors import UserInputError

DEVICES: tuple[str, ...] = ("auto", "cuda", "mps", "cpu")


def pick_device(name: str = "auto") -> torch.device:
    """Find the device that a user asked for.

    Parameters
    ----------
    name
        `auto` takes cuda, then mps, then cpu, whichever is there first.

    Raises
    ------
    UserInputError
        When the name is unknown or this computer has no such device.
    """
    if name not in DEVICES:
        raise UserInputError(f"The device {name!r} does not exist.", f"Choose one of {', '.join(DEVICES)}.")
    has = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(device for device, there in has.items() if there))
    if not has[name]:
        raise UserInputError(f"This computer offers no {name} device to PyTorch.", _hint(name))
    return torch.device(name)


def _hint(name: str) -> str:
    if name == "mps":
        return "mps needs a Mac with Apple silicon; pass --device auto or --device cpu."
    if torch.version.cuda is None:
        return "The installed PyTorch has no CUDA; install a CUDA build or pass --device cpu."
    return "Check the NVIDIA driver with nvidia-smi, or pass --device cpu."

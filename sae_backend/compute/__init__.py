"""The only modules that import torch."""

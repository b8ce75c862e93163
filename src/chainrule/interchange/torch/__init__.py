"""PyTorch: to and from a ``torch.nn.Sequential`` of linear layers and activations."""

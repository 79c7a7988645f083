"""What a model is: pretrained towers, how they are put together, where models are installed."""

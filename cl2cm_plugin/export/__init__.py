"""Writing a trained model as ONNX graphs, in single precision and in 8 bits, and saying what that costs."""

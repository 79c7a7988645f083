"""Reading an exported model: tokens, pixels and files, without torch and without transformers."""

"""Train and evaluate cross-lingual cross-modal models: corpus, objectives, methods, evaluation, recipes."""

"""The vectorizer over HTTP: addresses, bodies, answers and refusals."""

"""How well pictures and captions find each other."""

"""Shipped recipes: one complete training run each."""

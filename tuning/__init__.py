"""Search for better recipes with Ray, on one machine or on a cluster; imports trainer, and nothing imports it."""

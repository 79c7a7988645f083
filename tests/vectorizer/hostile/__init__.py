"""Hostile requests, made here: none may break the service, and after each it answers a good one."""

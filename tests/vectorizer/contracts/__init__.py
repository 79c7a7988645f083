"""Tests of one contract each; a package so that they can share what asks and compares."""

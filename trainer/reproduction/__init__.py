"""The published tables and plots, run by run: a run that is done on one machine is not repeated on another."""

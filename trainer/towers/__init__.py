"""The two towers as training sees them: frozen parts that are computed once, trained parts that every step runs."""

"""One LightningModule per stage of a method; both stages share what is in ``stage.py``."""

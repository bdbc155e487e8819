"""image -> product, with a calibrated confidence."""

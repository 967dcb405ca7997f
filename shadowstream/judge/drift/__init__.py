"""Change over time: detectors, monitors of one rate, incidents."""

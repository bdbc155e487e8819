"""Ask every arm every question and keep each outcome."""

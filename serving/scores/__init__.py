"""A publication: scores, tiers, reasons and explanations of all customers."""

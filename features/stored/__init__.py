"""Records on disk: staged, sorted, counted, shared from one day to the next."""

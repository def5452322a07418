"""Which model is served: comparison with the champion, gates, promotion."""

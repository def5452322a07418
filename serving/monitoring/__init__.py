"""What has moved since training, and forecasts against what came."""

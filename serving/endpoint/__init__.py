"""The HTTP endpoint: gate, table of routes, requests, answers, problems, workers."""

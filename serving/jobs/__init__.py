"""What the endpoint does beside answering: batch jobs and webhooks, in processes of their own."""

"""The managers' console: pages of a browser, behind a sign-in, from what is published."""

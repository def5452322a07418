"""The tier policy's pages and its quarterly review."""

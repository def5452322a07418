"""Pictures: a chart, its words and its table, drawn as SVG by a child process."""

"""The page that shows the OpenAPI document in a browser."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Echelon</title>
<link rel="stylesheet" href="/static_content/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="/static_content/swagger-ui-bundle.js"></script>
<script src="/static_content/swagger-ui-standalone-preset.js"></script>
<script src="/static_content/swagger-initializer.js"></script></body></html>
"""
"""The page that shows the document; BentoML's own loads a tracker from elsewhere."""

PAGE_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'"
)

"""The routes, one module per subject; `web.app` puts them together."""

"""The web console: who may do what, what is known of the station now, pages, texts."""

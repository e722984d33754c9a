"""The web console: what is known of the station now, who may see and do what, and the pages that show it."""

"""What programs are told over HTTP: measurements, events and health, read-only; metrics; whether all is well."""

"""Reports from daily records: tables, a picture and figures for people."""

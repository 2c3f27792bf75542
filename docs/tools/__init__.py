"""Generates parts of the site: tables (`generated`, called by `hooks`), pictures and the gallery."""

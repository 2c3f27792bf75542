"""The site: its pages, and in `tools` what fills and illustrates them."""

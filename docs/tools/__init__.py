"""What fills the pages of the site (`generated`, by `hooks`), draws their pictures and makes the gallery."""

"""What a cell may say besides one level: a box in the picture (`boxes`, cut out by `crops`), several values of one attribute (`votes`)."""

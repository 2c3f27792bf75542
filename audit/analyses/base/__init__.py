"""Code that several analyses share: the interface to the engine, records, and the images of the groups compared."""

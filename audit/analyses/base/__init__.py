"""What several analyses share: the interface that the engine sees, records, and the images of the groups compared."""

"""From site files to the values each chart gets, knowing where every value came from."""

"""What was asked of a store and what came of it, as records, and a checker that knows what may not have happened."""

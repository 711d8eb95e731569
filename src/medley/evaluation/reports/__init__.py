"""Reports scored: their texts and what they say, the floors beside them, and the scorecard made of it."""

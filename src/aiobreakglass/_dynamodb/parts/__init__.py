"""What each feature adds to the transaction of a change, and what a refusal of it means."""

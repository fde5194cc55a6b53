"""The pages of calls: what they show, and the forms on them."""

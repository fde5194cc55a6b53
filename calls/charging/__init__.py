"""The cost of calls: prices, holds, admission, billing."""

"""The cost of calls: prices, holds, admission, the bill."""

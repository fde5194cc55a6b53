"""Money that comes from outside: Stripe Checkout, saved cards, automatic top-ups, refunds and disputes.

client ← checkout, cards, auto_topup        calls to Stripe; never in a transaction
events ← webhook                            what Stripe reports, signed; no call to Stripe
settlement, refunds                         what either means to the ledger; each thing once, whatever was first
"""

"""Reading the fields of an agent's analysis schema out of a call's transcript."""
